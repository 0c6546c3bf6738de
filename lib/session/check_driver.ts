/** Whether the driver has what the options of an address ask for. */
import type { Endpoint } from "../config/plan.ts";
import type { Driver } from "../driver.ts";
import { L7mpError } from "../errors.ts";

/** Throws a `ConfigError` that names the address for an option that `driver` does not have. Nothing is opened. */
export function checkDriver(endpoint: Endpoint, driver: Driver): void {
  const { source, role, direction } = endpoint;
  if ("dual" in source) {
    checkDriver(source.dual.read, driver);
    checkDriver(source.dual.write, driver);
  } else {
    naming(endpoint, () => source.protocol.checkDriver?.(source.spec, { role, direction, driver }));
  }
}

/** Runs `check`, whose errors get the address in front. */
export function naming({ name }: Endpoint, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof L7mpError) error.message = `${name}: ${error.message}`;
    throw error;
  }
}
