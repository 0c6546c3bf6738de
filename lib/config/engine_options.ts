/**
 * Options the engine itself honours, whatever the protocol: how many sessions, how to connect, how ends and bytes are
 * treated. Every endpoint takes those that fit its role, beside its plug-in's own.
 */
import * as s from "../schema.ts";
import { parseNet, printNet } from "../stream/net_range.ts";

/** Less than the usual linger, so that what the other side wrote last is still seen. */
export const defaultPollMs = 250;

/** For every endpoint. */
export const streamOptions = s.object({
  ignoreeof: s.boolean({ group: "ends", aliases: ["ignoreof"], help: "Ignore this side's end and read again" }),
  pollinterval: s.duration({ default: defaultPollMs, group: "ends", help: "How often ignoreeof looks again" }),
  null_eof: s.boolean({ group: "ends", help: "Take an empty datagram as the end" }),
  shut_none: s.boolean({ group: "ends", help: "Do not shut the writing half when the other side ends" }),
  shut_down: s.boolean({ group: "ends", help: "Shut the writing half (the default where the type can)" }),
  shut_close: s.boolean({ group: "ends", help: "Close this side when the other side ends" }),
  shut_null: s.boolean({ group: "ends", help: "Send an empty datagram when the other side ends" }),
  // Nothing to do: no stream shuts more than its writing half, and that when the other side ends. Programs read it too.
  end_close: s.boolean({ group: "ends", help: "At the end of the session only close; a program is not killed" }),
  cool_write: s.boolean({
    group: "ends",
    aliases: ["coolwrite"],
    help: "That this side cuts the connection off (reset, broken pipe) is a notice and no error",
  }),
  escape: s.integer({ min: 0, max: 255, group: "ends", help: "Take this byte as the end, as escape=0x0f does Ctrl-O" }),
  readbytes: s.size({ group: "ends", help: "End after this many bytes read from this address", aliases: ["bytes"] }),
  crnl: s.boolean({ group: "data", aliases: ["crlf"], help: "Lines here end in CR LF, newline on the other side" }),
  cr: s.boolean({ group: "data", help: "Lines here end in CR, newline on the other side" }),
  lines: s.boolean({ group: "data", help: "Lines are messages on this address" }),
  null_lines: s.boolean({ group: "data", help: "As lines, separated by NUL" }),
  strict: s.boolean({ group: "data", help: "With lines: drop those that are too long or unfinished, with a warning" }),
  chunks: s.boolean({ group: "data", help: "Each block read is a message" }),
  max_time: s.duration({
    group: "ends",
    help: "End the session this long after it began, done or not: an error",
    example: "3600",
  }),
  idle_timeout: s.duration({ negative: true, group: "ends", help: "End the session after this long without data" }),
});
export type StreamOptions = s.SpecOf<typeof streamOptions>;

const net = s.custom("net", parseNet, printNet);

/** For everything that is opened: a connector connects, a listener binds its address. */
export const retryFields = {
  retry: s.integer({ min: 0, group: "connecting", help: "Try a failed open this many times more" }),
  forever: s.boolean({ group: "connecting", help: "Try a failed open for ever" }),
  interval: s.duration({ group: "connecting", aliases: ["intervall"], help: "Wait between tries (default 1)" }),
  backoff: s.duration({ group: "connecting", help: "Double the interval up to this, with jitter" }),
};

/** For listeners. */
export const listenOptions = s.object({
  fork: s.boolean({ group: "listening", help: "Serve many sessions, not only the first" }),
  oneshot: s.boolean({ group: "listening", help: "Serve one session where fork is implied" }),
  max_children: s.integer({
    min: 1,
    group: "listening",
    aliases: ["maxchildren", "max-sessions", "conncap"],
    help: "Sessions at a time; further peers wait",
  }),
  children_shutup: s.integer({
    min: 0,
    bare: 1,
    group: "listening",
    help: "With fork: what ends a session in error is logged by this many levels lower",
    example: "1",
  }),
  accept_timeout: s.duration({
    group: "listening",
    aliases: ["listen-timeout"],
    help: "Fail when nobody has come within this time",
  }),
  range: s.list(net, { group: "listening", help: "Serve only peers in this network; repeatable" }),
  sourceport: s.integer({ min: 0, max: 65535, group: "listening", aliases: ["sp"], help: "Serve only this peer port" }),
  lowport: s.boolean({ group: "listening", help: "Serve only peers whose port is below 1024, of privileged programs" }),
  ...retryFields,
});
export type ListenOptions = s.SpecOf<typeof listenOptions>;

/** The option that admits callers by their IP address, where there is one. */
export function callerRule({ range, sourceport, lowport }: ListenOptions): string | undefined {
  return range ? "range" : sourceport !== undefined ? "sourceport" : lowport ? "lowport" : undefined;
}

/** For connectors and local endpoints. */
export const connectOptions = s.object({
  fork: s.boolean({ group: "connecting", help: "Connect again after each session" }),
  max_children: s.integer({
    min: 1,
    group: "connecting",
    aliases: ["maxchildren", "max-sessions", "conncap"],
    help: "With fork: up to so many sessions at a time, begun an interval apart (default 1)",
  }),
  ...retryFields,
  connect_timeout: s.duration({ group: "connecting", help: "Limit for opening, name resolution included" }),
  reconnect: s.attempts({
    group: "connecting",
    help: "Open a lost connection again, with at most this many attempts (default: for ever); the session goes on; " +
      "with retry= or forever for the first",
    example: "5",
  }),
  reconnect_on: s.choice(["any", "error"], {
    group: "connecting",
    help: "With reconnect: what a loss is; error leaves out the peer's orderly end (default any)",
  }),
  reconnect_buffer: s.size({
    min: 1,
    group: "connecting",
    help: "With reconnect: data kept while the connection is away (default 1M)",
  }),
  preamble: s.string({ group: "connecting", help: "Sent first on every connection", example: "hello" }),
  preamble_file: s.string({ group: "connecting", help: "File whose content is sent first on every connection" }),
  lockfile: s.string({
    group: "connecting",
    help: "Make this file while it is open, fail if it exists (for a listener see -L)",
    example: "tty.lock",
  }),
  waitlock: s.string({
    group: "connecting",
    help: "Make this file while it is open, wait as long as it exists (for a listener see -W)",
    example: "tty.lock",
  }),
  waitfordata: s.boolean({ group: "connecting", help: "Open only when there is something to send" }),
  foreachmsg: s.boolean({ group: "connecting", help: "Open anew for every message; answers come back as messages" }),
});
export type ConnectOptions = s.SpecOf<typeof connectOptions>;
