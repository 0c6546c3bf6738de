/**
 * Options about proxies on the way: `via`, `proxy-protocol`, `accept-proxy`. The planner turns them into layers; nothing
 * else reads them.
 */
import * as s from "../lib/schema.ts";

function readVia(text: string): string {
  if (text === "none" || /^[a-z][\w.-]*:\/\/./i.test(text)) return text;
  throw new SyntaxError(`"${text}" is neither none nor a proxy such as socks5://127.0.0.1:1080`);
}

/** A proxy's URL without its password. */
function maskVia(url: string): string {
  return url.replace(/^([^:]*:\/\/[^:]*:).*(@[^@]*)$/s, "$1***$2");
}

const versions: s.Schema<1 | 2> = {
  type: "1|2",
  isSwitch: true,
  notes: {
    group: "connecting",
    help: "Send a PROXY protocol header with the first side's addresses (version 2, or =1)",
  },
  parse(value, at) {
    if (value === true) return 2;
    return value === 1 || value === 2 ? value : versions.fromText(String(value), at);
  },
  fromText: (text = "2", at) => s.choice(["1", "2"]).fromText(text, at) === "1" ? 1 : 2,
  print: (value) => value,
  json: () => ({ enum: [1, 2] }),
};

const accept: s.Schema<boolean | "require"> = {
  type: "require",
  isSwitch: true,
  notes: {
    group: "listening",
    help: "Read a PROXY protocol header where there is one (callers must speak first); =require refuses those without",
  },
  parse: (value, at) => value === "require" ? value : s.boolean().parse(value, at),
  fromText: (text, at) => text?.toLowerCase() === "require" ? "require" : s.boolean().fromText(text, at),
  print: (value) => value,
  json: () => ({ enum: [true, false, "require"] }),
};

export const proxyFields = {
  via: s.list(s.custom("proxy", readVia, String), {
    group: "connecting",
    secret: true,
    mask: maskVia,
    help: "Connect through this proxy, http://, https://, socks5://, socks4a:// or socks4://; repeatable: a chain",
    example: "socks5://127.0.0.1:1080",
  }),
  proxy_protocol: versions,
  accept_proxy: accept,
};
