/** The worker behind promises: one task at a time, which can be stopped; the model stays for the next one. */

export class Stopped extends Error {}

export class Engine {
  #worker = null;
  #pending = null;
  #opened = null;

  /** Open the model `file`: {card, device}. Throws the worker's error. */
  async open(file, device) {
    this.stop();
    this.#opened = null;
    const opened = await this.#send({ open: { file, device } });
    this.#opened = { file, device };
    return opened;
  }

  /**
   * Translate an image file: {blob, height, width, seconds}; `onProgress` gets the fraction that is done.
   *
   * `asTrained` resizes the image before as those of training.
   */
  async translate(file, asTrained, onProgress) {
    this.stop();
    if (!this.#worker) await this.#send({ open: this.#opened });
    return this.#send({ translate: { file, asTrained } }, onProgress);
  }

  /** Stop the task that is running; its promise is rejected with `Stopped`. */
  stop() {
    if (!this.#pending) return;
    this.#worker.terminate();
    this.#worker = null;
    this.#pending.reject(new Stopped());
    this.#pending = null;
  }

  #send(message, onProgress) {
    this.#worker ??= new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    return new Promise((resolve, reject) => {
      this.#pending = { reject };
      const settle = (how, value) => {
        this.#pending = null;
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
