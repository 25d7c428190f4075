/** What a verb prints on stdout: one JSON document with `--json`, lines for people otherwise. */
export function print(json: boolean | undefined, value: unknown, lines: () => readonly string[]): void {
  const text = json === true ? JSON.stringify(value) : lines().join('\n');
  if (text !== '') process.stdout.write(`${text}\n`);
}

/** Columns as wide as their widest cell. */
export function table(
  heading: readonly string[],
  rows: readonly (readonly (string | number | null | undefined)[])[],
): string[] {
  const cells = [heading, ...rows].map((row) => row.map((cell) => (cell === null || cell === undefined ? '–' : String(cell)))); // prettier-ignore
  const widths = heading.map((_, n) => Math.max(...cells.map((row) => row[n]!.length)));
  return cells.map((row) => row.map((cell, n) => cell.padEnd(widths[n]!)).join('  ').trimEnd()); // prettier-ignore
}

/** How far something is: a bar on a terminal, else a line now and then on stderr; nothing with `--json` without a terminal. */
export interface Progress {
  update(done: number, total: number): void;
  stop(): void;
}

const LINE_EVERY_MS = 2000;

export async function progress(label: string, json: boolean | undefined): Promise<Progress> {
  if (process.stderr.isTTY) {
    const { SingleBar } = await import('cli-progress');
    const format = `${label} {bar} {percentage}% {value}/{total} {duration_formatted}`;
    const bar = new SingleBar({ format, hideCursor: true, clearOnComplete: false, barsize: 30 });
    let started = false;
    return {
      update(done, total) {
        if (!started && total > 0) bar.start(total, done);
        started ||= total > 0;
        if (started) bar.update(done);
      },
      stop: () => bar.stop(),
    };
  }
  let last = performance.now();
  return {
    update(done, total) {
      if (json === true || total === 0 || performance.now() - last < LINE_EVERY_MS) return;
      last = performance.now();
      process.stderr.write(`${label} ${done}/${total}\n`);
    },
    stop: () => undefined,
  };
}
