/** Ports by the names of their services. */

/** Services people write that a small system's /etc/services may lack. */
const wellKnown = new Map(Object.entries({
  echo: 7,
  discard: 9,
  daytime: 13,
  ftp: 21,
  ssh: 22,
  telnet: 23,
  smtp: 25,
  domain: 53,
  tftp: 69,
  http: 80,
  pop3: 110,
  ntp: 123,
  imap2: 143,
  snmp: 161,
  ldap: 389,
  https: 443,
  syslog: 514,
  ldaps: 636,
  imaps: 993,
  pop3s: 995,
  socks: 1080,
  mysql: 3306,
  postgresql: 5432,
  "http-alt": 8080,
}));

/** The port of a service; undefined where nobody knows it. */
export function servicePort(name: string): number | undefined {
  return servicesFile().get(name) ?? wellKnown.get(name);
}

/** What to say of it then. */
export function noService(name: string): string {
  return `service "${name}" is neither a number nor in /etc/services`;
}

function servicesFile(): Map<string, number> {
  const ports = new Map<string, number>();
  let text: string;
  try {
    text = Deno.readTextFileSync("/etc/services");
  } catch {
    // Absent or not readable: the short list has to do.
    return ports;
  }
  for (const line of text.split("\n")) {
    const [name, port, ...aliases] = line.replace(/#.*/, "").trim().split(/\s+/);
    const number = parseInt(port ?? "", 10);
    if (!name || Number.isNaN(number)) continue;
    for (const known of [name, ...aliases]) if (!ports.has(known)) ports.set(known, number);
  }
  return ports;
}
