// What Node's fetch lacks to be a browser's: a cookie jar, and the headers that a page's request carries.

import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";

export const server = process.env.CHRYSALIS_URL;
export const baseURL = `${server}/api/auth`;

/** A browser with a page of `origin` open. Each has its own cookies. */
export class Browser {
  cookies = new Map();

  constructor(origin = server) {
    this.origin = origin;
  }

  /** The last request's `method path`, and the headers of its answer. */
  last = { call: null, headers: null };

  fetch = async (input, init = {}) => {
    const request = new Request(input, init);
    const headers = new Headers(request.headers);
    // A page's GET to its own origin carries no Origin, every other verb does.
    if (request.method !== "GET") headers.set("origin", this.origin);
    headers.set("sec-fetch-site", "same-origin");
    headers.set("sec-fetch-dest", "empty");
    if (this.cookies.size > 0) headers.set("cookie", [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; "));

    const body = ["GET", "HEAD"].includes(request.method) ? undefined : await request.text();
    const response = await fetch(request.url, { method: request.method, headers, body, redirect: "manual" });
    response.headers.getSetCookie().forEach((line) => this.#keep(line));
    this.last = { call: `${request.method} ${new URL(request.url).pathname}`, headers: response.headers };
    return response;
  };

  #keep(line) {
    const [pair, ...attributes] = line.split(";").map((part) => part.trim());
    const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
    if (attributes.some((attribute) => attribute.toLowerCase() === "max-age=0")) this.cookies.delete(name);
    else this.cookies.set(name, value);
  }
}

/** What the client got; throws what went wrong, as the app would see it. */
export function got({ data, error }) {
  if (error) throw new Error(`${error.status} ${error.code}: ${error.message}`);
  return data;
}

/** What an app's own server calls by its API key; throws what went wrong. */
export async function byKey(path, body) {
  const headers = { authorization: `Bearer ${process.env.CHRYSALIS_KEY}`, "content-type": "application/json" };
  const answer = await fetch(`${baseURL}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  const data = await answer.json();
  if (!answer.ok) throw new Error(`${answer.status} ${data.code}: ${data.message}`);
  return data;
}

/** An address that nobody has yet. */
export const address = (name) => `${name}-${process.pid}-${Math.random().toString(36).slice(2)}@example.com`;
export const password = "correct horse battery staple";

/** The newest mail of a kind to an address. Mails come a moment after the answer. */
export async function mail(to, kind) {
  for (let tries = 0; tries < 2000; tries++) {
    const mails = await (await fetch(`${server}/dev/mail.json?to=${encodeURIComponent(to)}`)).json();
    const found = mails.findLast((mail) => mail.kind === kind);
    if (found) return found;
    await setTimeout(10);
  }
  assert.fail(`no ${kind} came to ${to}`);
}
