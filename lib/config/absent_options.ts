/**
 * Options of addresses that socat's users may write and that no address has yet: for a plain answer, and what does the
 * job in their place, instead of a guess at what they misspelt.
 */

interface Absent {
  /** Names in the spelling they are compared in: patterns with blanks between them. */
  readonly names: string;
  readonly instead?: string;
}

const absent: readonly Absent[] = [
  { names: "nofork", instead: "leave it out: the program then talks through l7mp" },
  { names: "socketpair", instead: "leave it out: programs are talked to through pipes" },
  { names: "fdin fdout", instead: "let a shell redirect: SYSTEM:'program 3<&0 4>&1'" },
  {
    names: "su substuser su-d su-e substuser-delayed substuser-early setuid setuid-early setgid setgid-early",
    instead: "start l7mp or the program as that user: setpriv, runuser",
  },
  { names: "chroot chroot-early", instead: "start l7mp or the program through chroot" },
  { names: "sitout-eio", instead: "leave out wait-slave: PTY then survives that its device is closed" },
  {
    names:
      `onlret onocr ocrnl ofdel ofill olcuc inpck iuclc imaxbel ignbrk ignpar ixany cread csize parmrk brkint tostop noflsh
      pendin flusho xcase xtabs echo(e|k|nl|ctl|ke|prt)
      v(discard|eof|eol2?|erase|intr|kill|lnext|min|quit|reprint|start|stop|susp|swtc|time|werase)
      (nl|cr|tab|bs|vt|ff)\\d (nl|cr|tab|bs|vt|ff)dly termios-(rawer|cfmakeraw)`,
    instead: "set it before the start: stty -F DEVICE ...",
  },
  { names: "b(\\d{1,3}|1800|500000|576000|\\d{7})", instead: "use ispeed= and ospeed=" },
  { names: "history(-file)? prompt noecho noprompt", instead: "it belongs to READLINE" },
  {
    names: "tcpwrap(per|pers)? libwrap allow-table deny-table hosts-(allow|deny) tcpwrap-.*",
    instead: "use range=",
  },
  { names: "netns", instead: "use ip netns: ip netns exec NAME l7mp ..." },
  { names: "escape-newlines rate burst max-messages linger-half" },
  { names: "shell", instead: "SHELL takes $SHELL" },
  { names: "print-ping-rtt root file binary-prefix text-prefix header-to-env" },
  {
    names: "(f-)?setlkw?(-rd|-wr)? flock(-.*)? lock bind-tempname unix-tightsocklen f-setpipe-sz cloexec async",
  },
  {
    names: "(o-)?(direct|directory|noatime|nofollow|rsync) (fs|ext2|ext3)-.* l?seek(32|64)(-.*)? ftruncate(32|64)",
  },
  {
    names: "setsockopt(-.*)? ioctl(-.*)? siocspgrp fiosetown",
    instead: "use the option's name where it has one: reuseaddr, broadcast, bindtodevice",
  },
  {
    names: "(so)?type socktype proto(type)? domain",
    instead: "the kind of socket is that of the address type",
  },
  {
    names: "(so-)?timestamp ip(v6)?-?(pktinfo|recv.*|.*pktinfo)",
    instead: "leave it out: programs are not told",
  },
  { names: "up iff-.* tun-.* retrieve-vlan", instead: "it belongs to TUN and INTERFACE" },
  { names: "(posix)?mq-.* (dccp|udplite)-.*" },
  { names: "ai-.* res-.*" },
  {
    names:
      `ip-(freebind|transparent|hdrincl|mtu.*|options|pktoptions|retopts|router-alert) freebind transparent mtudiscover
      ipv6-(authhdr|dstopts|hoplimit|hopopts|rthdr|tclass|unicast-hops) openssl-max(fraglen|sendfrag)
      (so-)?(acceptconn|attach-filter|bsdcompat|debug|detach-filter|dontroute|error|no-check|oobinline|passcred|peercred)
      (so-)?(priority|rcvlowat|rcvtimeo|sndlowat|sndtimeo)
      so-(type|security-.*) (tcp-)?(cork|defer-accept|info|linger2|maxseg-late|md5sig|quickack|syncnt|window-clamp)`,
  },
];

/** What to say of the option `name` (in the spelling names are compared in); undefined where it may be misspelt. */
export function whyAbsent(name: string): string | undefined {
  const found = absent.find(({ names }) => new RegExp(`^(${names.trim().split(/\s+/).join("|")})$`).test(name));
  if (!found) return undefined;
  return `is not in this version${found.instead === undefined ? "" : `; ${found.instead}`}`;
}
