// The list of channels: kept fresh, and how a new one is made.

import { byId, showFieldError } from "./dom.js";
import { errorText } from "./error_words.js";
import { renderChannels } from "./lobby_view.js";
import { t } from "./strings.js";

const kRefreshMs = 8000;
const kCountedChannels = 30; // who is in the others is not asked

export class Lobby {
  #client;
  #channels = null;
  #counts = new Map();
  #current = null;
  #timer;
  #enter;
  #failed;

  /** `failed(error)` is told why a refresh did not work; true means that this is the end. */
  constructor(client, { enter, failed }) {
    this.#client = client;
    this.#enter = enter;
    this.#failed = failed;
    this.#timer = setInterval(() => document.hidden || this.refresh(), kRefreshMs);
  }

  close() {
    clearInterval(this.#timer);
  }

  show(channels) {
    this.#channels = channels;
    this.render();
    this.#count();
  }

  find(id) {
    return this.#channels?.find((channel) => channel.id === id);
  }

  setCurrent(id) {
    this.#current = id;
    this.render();
  }

  render() {
    const channels = this.#channels?.map((channel) => ({ ...channel, count: this.#counts.get(channel.id) ?? null }));
    renderChannels(channels ?? null, this.#current, this.#enter);
  }

  async refresh() {
    try {
      this.show(await this.#client.listChannels());
    } catch (error) {
      this.#failed(error); // the list stays as it was; the header tells that the line is down
    }
  }

  async create() {
    const input = byId("channel-name");
    const name = input.value.trim();
    const problem = byId("create-error");
    if (name === "") {
      showFieldError(input, problem, t("nameMissing"));
      return;
    }
    try {
      const channel = await this.#client.createChannel(name);
      input.value = "";
      showFieldError(input, problem, "");
      this.#channels = [...(this.#channels ?? []).filter(({ id }) => id !== channel.id), channel];
      this.#enter(channel.id);
    } catch (error) {
      if (!this.#failed(error)) showFieldError(input, problem, errorText(error));
    }
  }

  async #count() {
    const counted = this.#channels.slice(-kCountedChannels);
    await Promise.all(
      counted.map(async ({ id }) => {
        const answer = await this.#client.channelMembers(id).catch(() => null);
        if (answer !== null) this.#counts.set(id, answer.members.length);
      }),
    );
    this.render();
  }
}
