// The microphone, and the clock of the sound card.

/** Opens the microphone: {stream} or {reason: "micDenied" | "micAbsent" | "micBusy" | "insecure"}. */
export async function openMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia) return { reason: "insecure" };
  try {
    const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
    return { stream: await navigator.mediaDevices.getUserMedia({ audio }) };
  } catch (error) {
    const kReasons = { NotAllowedError: "micDenied", SecurityError: "micDenied", NotFoundError: "micAbsent" };
    return { reason: kReasons[error.name] ?? "micBusy" };
  }
}

/** A context at Opus' rate, with the worklets in it where there are such. */
export async function openSound() {
  const context = new AudioContext({ sampleRate: 48_000, latencyHint: "interactive" });
  context.resume().catch(() => {});
  if (context.audioWorklet) await context.audioWorklet.addModule(new URL("audio_worklet.js", import.meta.url));
  return context;
}
