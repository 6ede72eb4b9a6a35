"use strict";

// What a reader did to entries, until the server has it. Each mark is kept in this browser until then: neither a closed
// tab nor a lost network loses one, and tabs do not overwrite each other's.
// eslint-disable-next-line no-unused-vars
class Marks {
  static BATCH_MS = 800;
  static LONGEST_WAIT_MS = 60_000;
  static MOST_AT_ONCE = 500; // a request that outlives its page may have 64 kB

  // `url` takes them; `owner` keeps apart two people at one browser; `say` is told what is wrong, or "" when it is over.
  constructor({ url, token, owner, say }) {
    Object.assign(this, { url, token, say });
    this.prefix = `mark:${owner}:`;
    this.waiting = new Map(this.kept());
    this.timer = 0;
    this.failures = 0;
    this.sending = false;
    addEventListener("pagehide", () => this.flush());
    addEventListener("online", () => this.flush());
    document.addEventListener("visibilitychange", () => document.hidden && this.flush());
    if (this.waiting.size) this.later(0);
  }

  // Everything this browser still holds: [["read:12", "1"], …]
  kept() {
    try {
      return Object.entries(localStorage)
        .filter(([key]) => key.startsWith(this.prefix))
        .map(([key, value]) => [key.slice(this.prefix.length), value]);
    } catch {
      return []; // storage can be forbidden
    }
  }

  // `what` is "read" or "star".
  set(id, what, isOn) {
    const key = `${what}:${id}`;
    const value = isOn ? "1" : "0";
    this.waiting.set(key, value);
    try {
      localStorage.setItem(this.prefix + key, value);
    } catch { /* then it is kept until the page goes */ }
    this.later(Marks.BATCH_MS);
  }

  // What is waiting for an entry: true, false, or undefined if nothing is.
  get(id, what) {
    const value = this.waiting.get(`${what}:${id}`);
    return value === undefined ? undefined : value === "1";
  }

  later(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), ms);
  }

  async flush() {
    if (this.sending || !this.waiting.size) return;
    this.sending = true;
    clearTimeout(this.timer);
    const batch = [...this.waiting].slice(0, Marks.MOST_AT_ONCE);
    const isDone = await this.send(batch);
    this.sending = false;
    if (isDone) this.forget(batch);
    this.failures = isDone ? 0 : this.failures + 1;
    if (this.waiting.size) this.later(isDone ? 0 : Math.min(1000 * 2 ** this.failures, Marks.LONGEST_WAIT_MS));
  }

  async send(batch) {
    const form = new URLSearchParams();
    for (const [key, value] of batch) {
      const [what, id] = key.split(":");
      form.append(value === "1" ? what : `un${what}`, id);
    }
    try {
      const answer = await fetch(this.url, {
        method: "POST",
        body: form,
        headers: { "X-CSRFToken": this.token, "X-Requested-With": "fetch" },
        keepalive: true, // goes on when the page is left
        redirect: "manual",
      });
      this.say(answer.ok ? "" : Marks.trouble(answer));
      return answer.ok;
    } catch {
      this.say("No connection: what you read is kept here and sent later.");
      return false;
    }
  }

  static trouble(answer) {
    const isLoggedOut = answer.type === "opaqueredirect" || answer.status === 403;
    return isLoggedOut
      ? "You are logged out. Reload and log in: what you read is kept here until then."
      : `The server does not take what you read (${answer.status}). It is kept here and sent later.`;
  }

  // Forgets what the server has, but not what has changed again in the meantime.
  forget(batch) {
    for (const [key, value] of batch) {
      if (this.waiting.get(key) !== value) continue;
      this.waiting.delete(key);
      try {
        if (localStorage.getItem(this.prefix + key) === value) localStorage.removeItem(this.prefix + key);
      } catch { /* there was nothing kept */ }
    }
  }
}
