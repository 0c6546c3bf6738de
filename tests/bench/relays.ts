/** The programs that are measured beside each other: how each is told to relay one port to another. */
import { fromFileUrl } from "./paths.ts";

export type Transport = "tcp" | "udp";

export interface Relay {
  readonly name: string;
  /** The command, or undefined where this program cannot do it. `directory` is for its configuration. */
  command(transport: Transport, listen: number, target: number, directory: string): string[] | undefined;
}

const main = fromFileUrl("../../main.ts");

function ours(name: string, driver: string): Relay {
  return {
    name,
    command(transport, listen, target) {
      const addresses = [`${transport}-l:${listen},bind=127.0.0.1,fork`, `${transport}:127.0.0.1:${target}`];
      return [Deno.execPath(), "run", "-A", main, `--driver=${driver}`, ...addresses];
    },
  };
}

const socat: Relay = {
  name: "socat",
  command(transport, listen, target) {
    const kind = transport.toUpperCase();
    const options = transport === "tcp" ? ",fork,reuseaddr" : "";
    return ["socat", `${kind}-LISTEN:${listen},bind=127.0.0.1${options}`, `${kind}:127.0.0.1:${target}`];
  },
};

const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so";

const nginx: Relay = {
  name: "nginx",
  command(transport, listen, target, directory) {
    const module = exists(streamModule) ? `load_module ${streamModule};` : "";
    const udp = transport === "udp" ? " udp" : "";
    const file = `${directory}/nginx.conf`;
    Deno.writeTextFileSync(
      file,
      `${module} daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log ${directory}/error.log;
      events { worker_connections 4096; }
      stream { server { listen 127.0.0.1:${listen}${udp}; proxy_pass 127.0.0.1:${target}; proxy_buffer_size 64k; } }`,
    );
    return ["nginx", "-c", file, "-p", directory];
  },
};

const haproxy: Relay = {
  name: "haproxy",
  command(transport, listen, target, directory) {
    if (transport === "udp") return undefined;
    const file = `${directory}/haproxy.cfg`;
    Deno.writeTextFileSync(
      file,
      `global\n  nbthread 1\n  maxconn 4096\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n` +
        `  timeout server 30s\nlisten relay\n  bind 127.0.0.1:${listen}\n  server target 127.0.0.1:${target}\n`,
    );
    return ["haproxy", "-f", file, "-db"];
  },
};

export const relays: readonly Relay[] = [
  ours("l7mp", "native"),
  ours("l7mp portable", "portable"),
  socat,
  nginx,
  haproxy,
];

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
