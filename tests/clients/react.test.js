// `useSession` in a rendered page. The DOM, the cookies and the rules between origins are happy-dom's: nothing is handed
// to the client but the URL, as in an app. The page stands on another origin than the server, which names it as trusted.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Window } from "happy-dom";
import { address, baseURL, got, password } from "./browser.js";

const window = new Window({ url: process.env.CHRYSALIS_APP_URL });
for (const name of ["document", "navigator", "Request", "Response", "Headers"]) define(name, window[name]);
define("window", window);
define("fetch", window.fetch.bind(window));
define("IS_REACT_ACT_ENVIRONMENT", true);
after(() => window.happyDOM.close());

/** Node has some of these, read-only. */
function define(name, value) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}

// These look at the page when they are loaded: it has to be there before.
const { act, createElement } = await import("react");
const { createRoot } = await import("react-dom/client");
const { createAuthClient } = await import("better-auth/react");
const { anonymousClient } = await import("better-auth/client/plugins");

const client = createAuthClient({ baseURL, plugins: [anonymousClient()] });
let refetch;

/** What an app's header shows. */
function Badge() {
  const session = client.useSession();
  refetch = session.refetch;
  if (session.isPending) return createElement("p", { id: "badge" }, "…");
  if (!session.data) return createElement("p", { id: "badge" }, "nobody");
  const { user } = session.data;
  return createElement("p", { id: "badge", "data-user": user.id, "data-session": session.data.session.id }, user.isAnonymous ? "guest" : `member ${user.email}`);
}

/** Waits until the page says so; fails with what it says instead. */
async function shows(text) {
  const deadline = Date.now() + 10_000;
  const badge = () => window.document.getElementById("badge");
  while (badge()?.textContent !== text) {
    assert.ok(Date.now() < deadline, `the page shows ${badge()?.textContent}, not ${text}`);
    await act(() => new Promise((resolve) => setTimeout(resolve, 10)));
  }
  return { user: badge().dataset.user, session: badge().dataset.session };
}

test("the page follows a guest who becomes a member in place", async () => {
  const root = createRoot(window.document.body);
  await act(() => root.render(createElement(Badge)));
  await shows("nobody");

  const arrived = got(await client.signIn.anonymous());
  const guest = await shows("guest");
  assert.deepEqual(guest, { user: arrived.user.id, session: arrived.session.id });

  const email = address("react");
  got(await client.anonymous.upgrade({ email, password }));
  await act(() => refetch());
  assert.deepEqual(await shows(`member ${email}`), guest);

  got(await client.signOut());
  await shows("nobody");
  assert.equal(got(await client.signIn.email({ email, password })).user.id, guest.user);
  assert.equal((await shows(`member ${email}`)).user, guest.user);
  await act(() => root.unmount());
});
