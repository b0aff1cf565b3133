export class VoicechanEvent extends Event {
  constructor(type, detail) {
    super(type);
    this.detail = detail;
  }
}

export class Emitter extends EventTarget {
  on(type, listener, options = {}) {
    if (typeof listener !== "function") throw new TypeError("a listener is a function");
    const call = (event) => listener(event.detail);
    this.addEventListener(type, call, options);
    return () => this.removeEventListener(type, call);
  }

  once(type, listener) {
    return this.on(type, listener, { once: true });
  }
}
