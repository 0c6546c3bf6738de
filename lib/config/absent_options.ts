/**
 * Options of addresses that socat's users may write and that no address has yet, in the spelling names are compared in:
 * for a plain answer in place of a guess at what they misspelt.
 */
export const absentOptions: ReadonlySet<string> = new Set([
  // Programs.
  ..."pty openpty ptmx ctty setsid setpgid fdin fdout nofork socketpair".split(" "),
  ..."su su-d setuid setgid chroot sighup sigint sigquit winsize tiocswinsz".split(" "),
  // Pseudo terminals.
  ..."link wait-slave sitout-eio".split(" "),
  // Terminals.
  ..."sane icanon isig opost onlcr icrnl inlcr ixon ixoff crtscts clocal".split(" "),
  ..."cs5 cs6 cs7 cs8 parenb parodd cstopb ispeed ospeed min time".split(" "),
  ..."b300 b1200 b2400 b4800 b9600 b19200 b38400 b57600 b115200".split(" "),
  // Line editing.
  ..."history prompt noecho noprompt".split(" "),
  // Peers.
  ..."tcpwrap tcpwrapper libwrap lowport".split(" "),
  // Data.
  ..."escape escape-newlines rate burst max-messages linger-half cool-write children-shutup".split(" "),
  // WebSockets.
  ..."print-ping-rtt root file binary-prefix text-prefix header-to-env".split(" "),
  // Files.
  ..."lockfile waitlock setlk setlkw lock bind-tempname unix-tightsocklen".split(" "),
]);
