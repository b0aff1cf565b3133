export class VoicechanError extends Error {
  constructor(code, message) {
    super(message);
    this.name = new.target.name;
    this.code = code;
  }
}

export class RequestError extends VoicechanError {
  constructor(code, message, { status, fields = null, retryAfterMs = null }) {
    super(code, message);
    this.status = status;
    this.fields = fields;
    this.retryAfterMs = retryAfterMs;
  }
}

export class Unauthorized extends RequestError {
  constructor(message = "the key is wrong or was revoked") {
    super("unauthorized", message, { status: 401 });
  }
}

export class RateLimited extends RequestError {
  constructor(message, retryAfterMs = null) {
    super("rate_limited", message, { status: 429, retryAfterMs });
  }
}

export class NetworkError extends VoicechanError {}

export class ConnectionClosed extends VoicechanError {
  constructor(code, message, closeCode) {
    super(code, message);
    this.closeCode = closeCode;
  }
}

export class ProtocolError extends VoicechanError {
  constructor(message) {
    super("protocol_error", message);
  }
}

export class NotConnected extends VoicechanError {
  constructor(message) {
    super("not_connected", message);
  }
}

export class DeliveryError extends VoicechanError {
  constructor(code, message, to) {
    super(code, message);
    this.to = to;
  }
}

export class PeerGone extends DeliveryError {}
export class PeerBusy extends DeliveryError {}
export class Expired extends DeliveryError {}
export class Unconfirmed extends DeliveryError {}
export class Refused extends VoicechanError {}

export function badArgument(message) {
  return new VoicechanError("bad_argument", message);
}
