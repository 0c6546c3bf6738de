import { openNativeDriver } from "../../lib/native/mod.ts";
import { driverSuite } from "./driver_suite.ts";

if (Deno.build.os === "linux") {
  driverSuite("native", async () => openNativeDriver(), {
    module: { specifier: new URL("../../lib/native/mod.ts", import.meta.url), open: "openNativeDriver" },
    idleSessionBytes: 10 * 1024,
  });
}
