import { Emitter } from "./emitter.js";

export const kConnection = Symbol("connection"); // for subclasses, which set it

export class Line extends Emitter {
  get state() {
    return this[kConnection].state;
  }

  opened() {
    return this[kConnection].opened();
  }

  close() {
    this[kConnection].end(null);
  }
}
