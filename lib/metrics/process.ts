/** Metrics of the process itself, under the names that every client library of Prometheus gives them. */
import type { Family } from "./family.ts";

export function processFamilies(version: string): readonly Family[] {
  const { rss, heapUsed, heapTotal, external } = Deno.memoryUsage();
  const families = [
    gauge("l7mp_build_info", "Version of the program", 1, { version, deno: Deno.version.deno }),
    gauge("process_start_time_seconds", "When the process started", performance.timeOrigin / 1000),
    gauge("process_resident_memory_bytes", "Memory that the process has in RAM", rss),
    gauge("l7mp_heap_used_bytes", "JavaScript objects", heapUsed),
    gauge("l7mp_heap_total_bytes", "Memory taken for JavaScript objects", heapTotal),
    gauge("l7mp_external_memory_bytes", "Buffers outside the heap", external),
  ];
  return Deno.build.os === "linux" ? [...families, ...linuxFamilies()] : families;
}

function gauge(name: string, help: string, value: number, labels: Readonly<Record<string, string>> = {}): Family {
  return { name, help, type: "gauge", samples: [{ labels, value }] };
}

/** What a file system that hides `/proc` does not tell is left out. */
function linuxFamilies(): readonly Family[] {
  const families: Family[] = [];
  const read = (make: () => Family) => {
    try {
      families.push(make());
    } catch {
      // Not to be known here.
    }
  };
  read(() => ({ ...gauge("process_cpu_seconds_total", "User and system CPU time", cpuSeconds()), type: "counter" }));
  read(() => gauge("process_open_fds", "Open file descriptors", [...Deno.readDirSync("/proc/self/fd")].length - 1));
  read(() => gauge("process_max_fds", "Open file descriptors that there may be", descriptorLimit()));
  return families;
}

/** proc(5): fields 14 and 15 of `stat`, counted after the name in parentheses, in hundredths of a second. */
function cpuSeconds(): number {
  const fields = Deno.readTextFileSync("/proc/self/stat").replace(/^.*\) /s, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function descriptorLimit(): number {
  const [, soft] = /^Max open files\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"))!;
  return Number(soft);
}
