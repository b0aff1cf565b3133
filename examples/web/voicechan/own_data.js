import { badArgument } from "./errors.js";

/** What a peer says about itself, and who waits until the room knows it. */
export class OwnData {
  #data;
  #waiting = []; // for data that has not been sent yet
  #sent = []; // for data that is under way

  constructor(data = null) {
    this.#data = checkJson(data);
  }

  get isWaiting() {
    return this.#waiting.length > 0;
  }

  set(data) {
    this.#data = checkJson(data);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** The latest, for sending; the only one that is under way. */
  start() {
    this.#sent = [...this.#sent, ...this.#waiting];
    this.#waiting = [];
    return this.#data;
  }

  confirm() {
    for (const { resolve } of this.#sent.splice(0)) resolve();
  }

  /** It may have been lost. */
  retry() {
    this.#waiting = [...this.#sent.splice(0), ...this.#waiting];
  }

  refuse(error) {
    for (const { reject } of this.#sent.splice(0)) reject(error);
  }
}

function checkJson(data) {
  const text = JSON.stringify(data);
  if (text === undefined) throw badArgument("data must be JSON");
  return JSON.parse(text); // what is done with it later changes nothing
}
