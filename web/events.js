// The live copy of the cluster's tables: one stream of server-sent events for the tables that the shown view needs.
//
// Each table begins with a snapshot and goes on with changes, so a row object is replaced only when the row changed. The stream is read with fetch,
// not EventSource, because it may need a token. When it breaks, what was shown stays, marked as old, and it is opened again with growing pauses.

import { APIError, askForToken, open, request } from "./api.js";

/** Rows of one state that are read at once, and how often, where the live rows are only the newest of many. */
const chosenRows = 500, chosenEvery = 2000;

/** What names a row in its table. */
export const keyOf = (row) => row.id ?? row.tag ?? row.name;

const firstPause = 500, longestPause = 8000;
/** The server speaks every second; silence for so long means the connection is dead. */
const silenceLimit = 10_000;

/** The rows of a table that are in one state, read from the API while somebody looks at them. */
export class Chosen {
  constructor(table, onChange) { Object.assign(this, { table, onChange, state: null, rows: null, readAt: 0 }); }

  /** The newest rows in the state; null until they came. */
  of(state) {
    if (state !== this.state) Object.assign(this, { state, rows: null, readAt: 0 });
    if (!this.reading && Date.now() - this.readAt > chosenEvery) this.#read(state);
    return this.rows;
  }

  async #read(state) {
    this.reading = true;
    try {
      const answer = await request(`${this.table}?state=${encodeURIComponent(state)}&limit=${chosenRows}`);
      if (state === this.state) this.rows = answer[this.table];
    } catch { /* the stream tells what is wrong with the head */ }
    this.reading = false;
    this.readAt = Date.now();
    this.onChange();
  }
}

export class Feed {
  constructor({ onChange, onStatus }) {
    this.tables = {};
    this.cluster = null;
    this.onChange = onChange;
    this.onStatus = onStatus;
    this.wanted = [];
    this.pause = firstPause;
    this.status = { state: "connecting" };
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#sleep() : this.#wake()));
  }

  rows(table) { return this.tables[table]?.rows ?? new Map(); }
  total(table) { return this.tables[table]?.total ?? this.cluster?.totals?.[table] ?? 0; }
  /** Whether the table was ever received. */
  knows(table) { return table in this.tables; }

  /** Follows exactly these tables from now on. */
  follow(tables) {
    if (this.stream && String(tables) === String(this.wanted)) return;
    this.wanted = tables;
    this.#connect();
  }

  retryNow() { this.pause = firstPause; this.#connect(); }

  #set(status) { this.status = status; this.onStatus(status); }

  async #connect() {
    clearTimeout(this.retry);
    clearTimeout(this.sleeping);
    this.stream?.abort();
    const stream = new AbortController();
    this.stream = stream;
    if (this.status.state !== "live") this.#set({ state: "connecting" });
    try {
      const response = await open(`events?tables=${this.wanted.join(",")}`, { signal: stream.signal, accept: "text/event-stream" });
      await this.#read(response.body, stream);
      throw new APIError(0, { message: "the stream ended" });
    } catch (error) {
      clearTimeout(this.watchdog);
      if (this.stream !== stream) return;
      if (error instanceof APIError && (error.status === 401 || error.status === 403 && error.code === "wrongToken")) {
        await askForToken();
        return this.#connect();
      }
      this.stream = null;
      this.#set({ state: "disconnected", reason: error.message, retryAt: Date.now() + this.pause });
      this.retry = setTimeout(() => this.#connect(), this.pause);
      this.pause = Math.min(longestPause, this.pause * 1.7) * (0.85 + Math.random() * 0.3);
    }
  }

  async #read(body, stream) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      this.#expectWords(stream);
      const { done, value } = await reader.read();
      if (done) return;
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) this.#take(event);
      if (events.length) this.onChange();
    }
  }

  #expectWords(stream) {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => {
      if (this.stream !== stream) return;
      stream.abort();
      this.stream = null;
      this.#connect();
    }, silenceLimit);
  }

  #take(event) {
    let name = "", data = "";
    for (const line of event.split("\n")) {
      if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (line.startsWith("data:")) data += line.slice(5).trimStart();
    }
    if (!data) return;
    const message = JSON.parse(data);
    if (this.status.state !== "live") { this.pause = firstPause; this.#set({ state: "live" }); }
    if (name === "cluster") { this.cluster = message; return; }
    if (message.snapshot) {
      this.tables[name] = { rows: new Map(message.snapshot.map((row) => [keyOf(row), row])), total: message.total };
      return;
    }
    const table = this.tables[name];
    if (!table) return;
    for (const key of message.removed ?? []) table.rows.delete(key);
    for (const row of message.changed ?? []) table.rows.set(keyOf(row), row);
    table.total = message.total;
  }

  // A page that nobody looks at for a minute does not keep the head busy.
  #sleep() {
    this.sleeping = setTimeout(() => { const stream = this.stream; this.stream = null; stream?.abort(); clearTimeout(this.retry); clearTimeout(this.watchdog); }, 60_000);
  }
  #wake() {
    clearTimeout(this.sleeping);
    if (!this.stream) this.retryNow();
  }
}
