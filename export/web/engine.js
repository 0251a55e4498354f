/** The worker as promises: one thing at a time, and it can be stopped, after which it goes on with the same model. */

export class Stopped extends Error {}

export class Engine {
  #worker = null;
  #waiting = null;
  #opened = null;

  /** What `worker.js` says of the model `file`: {card, device}. Throws its sentences. */
  async open(file, device) {
    this.stop();
    this.#opened = null;
    const said = await this.#ask({ open: { file, device } });
    this.#opened = { file, device };
    return said;
  }

  /** {blob, height, width, seconds} of an image file; `onProgress` is told what part is done. */
  async translate(image, onProgress) {
    this.stop();
    if (!this.#worker) await this.#ask({ open: this.#opened });
    return this.#ask({ translate: image }, onProgress);
  }

  /** End what goes on: whoever waits for it gets `Stopped`. */
  stop() {
    if (!this.#waiting) return;
    this.#worker.terminate();
    this.#worker = null;
    this.#waiting.reject(new Stopped());
    this.#waiting = null;
  }

  #ask(message, onProgress) {
    this.#worker ??= new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    return new Promise((resolve, reject) => {
      this.#waiting = { reject };
      const settle = (how, value) => {
        this.#waiting = null;
        how(value);
      };
      this.#worker.onmessage = ({ data }) => {
        if ("progress" in data) onProgress?.(data.progress);
        else if ("error" in data) settle(reject, new Error(data.error));
        else settle(resolve, data.done);
      };
      this.#worker.onerror = ({ message }) => settle(reject, new Error(message || "A part of this page is missing."));
      this.#worker.postMessage(message);
    });
  }
}
