// A server that asks for work before it makes a guest: the stock client shows the answer in a header, ALTCHA's own solver finds it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { solveChallenge } from "altcha-lib";
import { deriveKey } from "altcha-lib/algorithms/pbkdf2";
import { createAuthClient } from "better-auth/client";
import { anonymousClient } from "better-auth/client/plugins";
import { baseURL, Browser, got } from "./browser.js";

/** What an app does that was told CHALLENGE_REQUIRED. */
async function work(browser, { url }) {
  const puzzle = await (await browser.fetch(url)).json();
  const challenge = { parameters: puzzle.parameters, signature: puzzle.signature };
  const solution = await solveChallenge({ challenge, deriveKey });
  return btoa(JSON.stringify({ challenge, solution }));
}

for (const [name, plugins] of [["with the plugin", [anonymousClient()]], ["without it", []]]) {
  test(`a client ${name} is told what to do, does it, and is a guest`, async () => {
    const browser = new Browser();
    const client = createAuthClient({ baseURL, plugins, fetchOptions: { customFetchImpl: browser.fetch } });
    const { error } = await client.signIn.anonymous();
    assert.deepEqual([error.status, error.code, error.details.kind], [403, "CHALLENGE_REQUIRED", "work"]);

    const headers = { [error.details.header]: await work(browser, error.details) };
    const guest = got(await client.signIn.anonymous({ fetchOptions: { headers } }));
    assert.equal(guest.user.isAnonymous, true);
    // A guest who is there is asked for nothing.
    assert.equal(got(await client.signIn.anonymous()).user.id, guest.user.id);

    const other = createAuthClient({ baseURL, plugins, fetchOptions: { customFetchImpl: new Browser().fetch } });
    const again = await other.signIn.anonymous({ fetchOptions: { headers } });
    assert.deepEqual([again.error.status, again.error.code], [403, "CHALLENGE_FAILED"]);
  });
}
