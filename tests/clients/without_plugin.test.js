// A client without the anonymous plugin: it asks for guests by GET, and by names that it was never told of.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createAuthClient } from "better-auth/client";
import { address, baseURL, Browser, got, password } from "./browser.js";

test("the whole way, from guest to member, without the plugin", async () => {
  const browser = new Browser();
  const client = createAuthClient({ baseURL, fetchOptions: { customFetchImpl: browser.fetch } });

  const guest = got(await client.signIn.anonymous());
  assert.equal(browser.last.call, "GET /api/auth/sign-in/anonymous");
  assert.equal(guest.user.isAnonymous, true);
  assert.equal(got(await client.getSession()).user.id, guest.user.id);

  const upgraded = got(await client.anonymous.upgrade({ email: address("no-plugin"), password }));
  assert.deepEqual([upgraded.user.id, upgraded.session.id], [guest.user.id, guest.session.id]);
  assert.equal(got(await client.getSession()).user.isAnonymous, false);
});

test("a delete by GET deletes nobody", async () => {
  const browser = new Browser();
  const client = createAuthClient({ baseURL, fetchOptions: { customFetchImpl: browser.fetch } });
  const guest = got(await client.signIn.anonymous());
  const { error } = await client.deleteAnonymousUser();
  assert.equal(browser.last.call, "GET /api/auth/delete-anonymous-user");
  assert.deepEqual([error.status, error.code], [405, "METHOD_NOT_ALLOWED"]);
  assert.equal(got(await client.getSession()).user.id, guest.user.id);
});
