/**
 * `-v` and `-x`: transferred data for people, in socat's form. Each block is a header with the number of bytes and
 * their offsets in their direction, then the data as text, in hex, or both side by side.
 */
import { preciseNow, timestamp } from "../log.ts";

export type DumpFormat = "text" | "hex" | "both";
export type Tap = (direction: "ltr" | "rtl", data: Uint8Array) => void;

export interface DumpOptions {
  readonly format: DumpFormat;
  /** Takes one whole block. */
  write(block: string): void;
  /** Milliseconds since 1970, with their fraction. */
  now?(): number;
}

const namedEscapes: Readonly<Record<number, string>> = {
  7: "\\a",
  8: "\\b",
  11: "\\v",
  12: "\\f",
  13: "\\r",
  92: "\\\\",
};
const newline = 10;
const bytesPerLine = 16;

/** A tap for one session: it counts the bytes of each direction from 0. */
export function dumpTap({ format, write, now }: DumpOptions): Tap {
  const offsets = { ltr: 0, rtl: 0 };
  const body = { text: asText, hex: asHex, both: asBoth }[format];
  return (direction, data) => {
    const from = offsets[direction];
    offsets[direction] += data.length;
    const arrow = direction === "ltr" ? ">" : "<";
    const time = timestamp(now?.() ?? preciseNow(), true);
    write(`${arrow} ${time}  length=${data.length} from=${from} to=${from + data.length - 1}\n${body(data)}`);
  };
}

function asText(data: Uint8Array): string {
  let text = "";
  for (const byte of data) {
    if (byte === newline || byte === 9) text += String.fromCharCode(byte);
    else text += namedEscapes[byte] ?? printable(byte);
  }
  return text;
}

function asHex(data: Uint8Array): string {
  return `${hex(data)}\n`;
}

/** Sixteen bytes a line; a line also ends after a newline byte. */
function asBoth(data: Uint8Array): string {
  let text = "";
  for (let at = 0; at < data.length;) {
    const full = data.subarray(at, at + bytesPerLine);
    const end = full.indexOf(newline);
    const line = end < 0 ? full : full.subarray(0, end + 1);
    text += `${hex(line).padEnd(3 * bytesPerLine)}  ${Array.from(line, printable).join("")}\n`;
    at += line.length;
  }
  return `${text}--\n`;
}

function hex(data: Uint8Array): string {
  let text = "";
  for (const byte of data) text += byte < 16 ? ` 0${byte.toString(16)}` : ` ${byte.toString(16)}`;
  return text;
}

function printable(byte: number): string {
  return byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".";
}
