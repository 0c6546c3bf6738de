/** Words in front of an address that stand for one of its options: `autoreconnect:ws://host/`. */

export interface OptionOverlay {
  readonly name: string;
  /** Key of the option, and the value in the document's form. */
  readonly key: string;
  readonly value: unknown;
  readonly help: string;
}

export const optionOverlays: readonly OptionOverlay[] = [
  { name: "lines", key: "lines", value: true, help: "Lines are messages: option lines" },
  { name: "chunks", key: "chunks", value: true, help: "Each block read is a message: option chunks" },
  {
    name: "autoreconnect",
    key: "reconnect",
    value: -1,
    help: "Open a lost connection again: option reconnect; with retry= or forever for the first",
  },
  { name: "waitfordata", key: "waitfordata", value: true, help: "Open only when there is something to send" },
  { name: "foreachmsg", key: "foreachmsg", value: true, help: "Open anew for every message" },
];
