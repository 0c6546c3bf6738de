/** The list of everything the program knows how to do. A new plug-in is a file and a line here. */
import type { Registry } from "../lib/protocol.ts";
import { tcp } from "./tcp.ts";

export const registry: Registry = {
  protocols: [tcp],
  layers: [],
  transforms: [],
};
