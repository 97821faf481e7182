import { toHomewardError, type HomewardError } from "../common/errors.ts";

/** What has to be undone at the end, whatever the end is: last made, first undone. */
export class Cleanup {
  readonly #steps: (() => Promise<void>)[] = [];

  add(undo: () => Promise<void>): void {
    this.#steps.push(undo);
  }

  /** Undoes everything, also what comes after a failure. @returns what went wrong */
  async run(): Promise<HomewardError[]> {
    const problems: HomewardError[] = [];
    for (let undo = this.#steps.pop(); undo !== undefined; undo = this.#steps.pop()) {
      try {
        await undo();
      } catch (thrown) {
        problems.push(toHomewardError(thrown));
      }
    }
    return problems;
  }
}
