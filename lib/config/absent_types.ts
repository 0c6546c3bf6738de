/**
 * Address types that users of socat and websocat may write and that the registry may lack: for a plain answer, and what
 * does the job in their place, instead of a guess at what they misspelt.
 */

interface Absent {
  readonly names: RegExp;
  /** What to use in its place; `$` stands for the name as it was written. */
  readonly instead?: string;
}

const bySocat = `socat stands in where it is installed: exec:'socat - "$..."'`;
const onlySocat = "use socat for it";

const roles = "(-(CONNECT|CLIENT|C|LISTEN|L|SERVER))?";
const datagramRoles = "(-(SENDTO|SEND|RECV|RECEIVE|RECVFROM|DATAGRAM|DGRAM|CONNECT|LISTEN|L))?";

/** Names in the one spelling they are compared in. */
const absent: readonly Absent[] = [
  { names: /^READLINE$/, instead: "use -, and rlwrap before the command to edit lines" },
  { names: new RegExp(`^(VSOCK|DCCP[46]?|SCTP[46]?)${roles}$`), instead: bySocat },
  { names: new RegExp(`^(OPENSSL-)?DTLS${roles}$`), instead: "TLS runs over TCP: OPENSSL, OPENSSL-LISTEN" },
  { names: new RegExp(`^((UDPLITE|IP)[46]?)${datagramRoles}$`), instead: onlySocat },
  { names: /^(TUN|INTERFACE|IF)$/, instead: onlySocat },
  { names: /^POSIXMQ(-(READ|RECV|RECEIVE|SEND|WRITE|BIDIRECTIONAL))?$/, instead: onlySocat },
  {
    names: /^(SOCKET-(CONNECT|LISTEN|SENDTO|RECV|RECVFROM|DATAGRAM)|SENDTO|DATAGRAM|DGRAM)$/,
    instead: "write what it means by name: TCP, UDP, UNIX-CONNECT and the like",
  },
  { names: /^SOCKS5?-(LISTEN|BIND)$/ },
  { names: new RegExp(`^SEQP(ACKET)?${roles}$`), instead: "UNIX-CONNECT and UNIX-SENDTO are the other kinds" },
  { names: /^(L-WS-UNIX|WS-(L|LISTEN)-UNIX|UNIX-(L|LISTEN)-WS)$/, instead: "use ws-u:unix-l:<path>" },
  { names: /^(L-WS-ABSTRACT|WS-(L|LISTEN)-ABSTRACT)$/, instead: "use ws-u:abstract-l:<name>" },
  { names: /^WS-UPGRADE$/, instead: "use ws-u:" },
  { names: /^(MSG2LINE|LINE2MSG)$/, instead: "use lines:" },
  { names: /^LENGTHPREFIXED$/, instead: "LENGTHPREFIX stands between the addresses" },
  { names: /^EXIT-ON-SPECIFIC-BYTE$/, instead: "use option escape= of the address" },
  { names: /^REUSE-RAW$/, instead: "use broadcast:" },
  { names: /^(INETD-WS|WS-INETD|WS-LOWLEVEL-(CLIENT|SERVER)|SSL-ACCEPT|HTTP-REQUEST|HTTP-POST-SSE|SSE(-LISTEN)?)$/ },
  { names: /^(ASSERT2?|EXPECT|JSONRPC|TIMESTAMP|DROP(-ON-BACKPRESSURE)?)$/ },
  { names: /^(H2|H3|QUIC|WEBTRANSPORT)(-(CONNECT|LISTEN|L))?$|^(REGISTRY(-LISTEN)?|LISTENER|CLUSTER)$/ },
];

/** Why there is no type `name` (in the spelling names are compared in), or undefined where it may be misspelt. */
export function whyAbsent(name: string, written: string): string | undefined {
  const found = absent.find(({ names }) => names.test(name));
  if (!found) return undefined;
  return `not supported by l7mp${found.instead === undefined ? "" : `; ${found.instead.replace("$", written)}`}`;
}
