// Links, codes and resets through the official client with its plugins; mails are read from the development outbox.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createAuthClient } from "better-auth/client";
import { anonymousClient, emailOTPClient, magicLinkClient } from "better-auth/client/plugins";
import { address, baseURL, Browser, got, mail, password, server } from "./browser.js";

function open(browser = new Browser()) {
  const plugins = [anonymousClient(), magicLinkClient(), emailOTPClient()];
  const client = createAuthClient({ baseURL, plugins, fetchOptions: { customFetchImpl: browser.fetch } });
  return { browser, client };
}

test("a guest becomes a member by magic link", async () => {
  const { client } = open();
  const email = address("magic");
  const guest = got(await client.signIn.anonymous());
  assert.deepEqual(got(await client.signIn.magicLink({ email, callbackURL: "/home" })), { status: true });
  const { token } = await mail(email, "magic-link");
  const member = got(await client.magicLink.verify({ query: { token } }));
  assert.deepEqual([member.user.id, member.session.id], [guest.user.id, guest.session.id]);
  assert.deepEqual([member.user.isAnonymous, member.user.emailVerified, member.user.email], [false, true, email]);
  const { user } = got(await client.getSession());
  assert.equal(user.id, guest.user.id);
});

test("a guest becomes a member by a code", async () => {
  const { client } = open();
  const email = address("code");
  const guest = got(await client.signIn.anonymous());
  assert.deepEqual(got(await client.emailOtp.sendVerificationOtp({ email, type: "sign-in" })), { success: true });
  const { otp } = await mail(email, "otp:sign-in");
  const wrong = await client.signIn.emailOtp({ email, otp: otp === "000000" ? "000001" : "000000" });
  assert.equal(wrong.error.code, "INVALID_OTP");
  assert.deepEqual(got(await client.emailOtp.checkVerificationOtp({ email, type: "sign-in", otp })), { success: true });
  const member = got(await client.signIn.emailOtp({ email, otp }));
  assert.equal(member.user.id, guest.user.id);
  assert.equal(member.token, member.session.token);
});

test("an upgraded guest proves the address by a code", async () => {
  const { client } = open();
  const email = address("verify");
  got(await client.signIn.anonymous());
  got(await client.anonymous.upgrade({ email, password }));
  got(await client.emailOtp.sendVerificationOtp({ email, type: "email-verification" }));
  const { otp } = await mail(email, "otp:email-verification");
  const verified = got(await client.emailOtp.verifyEmail({ email, otp }));
  assert.deepEqual([verified.status, verified.token, verified.user.emailVerified], [true, null, true]);
});

test("a forgotten password, by link and by code", async () => {
  const { client } = open();
  const email = address("forgot");
  got(await client.signUp.email({ name: "", email, password }));
  got(await client.requestPasswordReset({ email, redirectTo: "/reset" }));
  const { url, token } = await mail(email, "reset-password");
  const led = await fetch(url, { redirect: "manual" });
  assert.equal(led.headers.get("location"), `${server}/reset?token=${token}`);
  assert.deepEqual(got(await client.resetPassword({ newPassword: `${password} 2`, token })), { status: true });
  assert.equal((await open().client.signIn.email({ email, password })).error.code, "INVALID_EMAIL_OR_PASSWORD");
  got(await open().client.signIn.email({ email, password: `${password} 2` }));

  got(await client.emailOtp.requestPasswordReset({ email }));
  const { otp } = await mail(email, "otp:forget-password");
  got(await client.emailOtp.resetPassword({ email, otp, password: `${password} 3` }));
  got(await open().client.signIn.email({ email, password: `${password} 3` }));
});

test("another verification mail", async () => {
  const { client } = open();
  const email = address("again");
  got(await client.signUp.email({ name: "", email, password }));
  const first = await mail(email, "verify-email");
  assert.deepEqual(got(await client.sendVerificationEmail({ email })), { status: true });
  let second = first;
  while (second.token === first.token) second = await mail(email, "verify-email");
  assert.equal((await client.verifyEmail({ query: { token: first.token } })).error.status, 401);
  got(await client.verifyEmail({ query: { token: second.token } }));
  assert.equal(got(await client.getSession()).user.emailVerified, true);
});
