// A certified OIDC provider for the tests: oidc-provider from npm. Prints its port. Whoever comes with a login_hint is that
// person at once: `subject address verified|unverified [form name]`. Without one a page asks, as a person would see it.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { importJWK, jwtVerify } from "jose";
import Provider from "oidc-provider";

// It warns of what is right for a test: keys and grants that are gone with it.
console.warn = () => {};
console.info = () => {};

const people = new Map();

const person = (hint) => {
  const [subject, email, verified, ...name] = hint.split(" ");
  people.set(subject, { email, email_verified: verified === "verified", name: name.join(" ") || "Jane Doe" });
  return subject;
};

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address();
  const issuer = `http://127.0.0.1:${port}`;
  const client = (id, more = {}) => ({
    client_id: id,
    client_secret: `secret of ${id}`,
    redirect_uris: ["127.0.0.1", "localhost"].map((host) => `http://${host}/api/auth/callback/${id}`),
    grant_types: ["authorization_code"],
    response_types: ["code"],
    ...more,
  });
  const provider = new Provider(issuer, {
    clients: [client("google"), client("apple", { token_endpoint_auth_method: "client_secret_post" }), client("mine")],
    // By default an id token says no more than who it is, and the rest stands in userinfo.
    conformIdTokenClaims: process.env.CLAIMS !== "id_token",
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    scopes: ["openid", "email", "profile", "name"],
    responseModes: ["query", "form_post"],
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people.get(id) }) }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
      grant.addOIDCScope("openid email profile name");
      await grant.save();
      return grant;
    },
    cookies: { keys: ["of the tests"] },
    renderError: (ctx, out) => (ctx.body = JSON.stringify(out)),
  });
  // Ports are the machine's to give: of a loopback address any port is the client's (RFC 8252, 7.3).
  provider.Client.prototype.redirectUriAllowed = function allowed(uri) {
    const url = new URL(uri);
    url.port = "";
    return this.redirectUris.includes(url.href);
  };
  // Apple's clients have no secret: they sign who they are.
  const compare = provider.Client.prototype.compareClientSecret;
  provider.Client.prototype.compareClientSecret = async function signed(secret) {
    if (this.clientId !== "apple") return compare.call(this, secret);
    const key = await importJWK(JSON.parse(process.env.APPLE_KEY), "ES256");
    const { payload, protectedHeader } = await jwtVerify(secret, key, {
      algorithms: ["ES256"],
      audience: "https://appleid.apple.com",
      issuer: "TEAM",
      subject: "apple",
    });
    return protectedHeader.kid === "KEY" && payload.exp > payload.iat;
  };
  // What it refuses, and why: shown with a test that fails.
  for (const event of ["grant.error", "authorization.error", "server_error", "userinfo.error"])
    provider.on(event, (_, error) => console.error(event, error.message, error.error_description ?? ""));
  const answer = provider.callback();
  server.on("request", async (request, response) => {
    const { pathname } = new URL(request.url, issuer);
    if (!pathname.startsWith("/interaction/")) return answer(request, response);
    const { params } = await provider.interactionDetails(request, response);
    let hint = params.login_hint;
    if (request.method === "POST") {
      let body = "";
      for await (const chunk of request) body += chunk;
      hint = new URLSearchParams(body).get("hint");
    }
    if (!hint) {
      response.setHeader("content-type", "text/html");
      return response.end('<form method="post"><input name="hint"><button>This is me</button></form>');
    }
    await provider.interactionFinished(request, response, { login: { accountId: person(hint) } });
  });
  console.log(JSON.stringify({ port }));
});
// The test that started it closes its end of the pipe, or is gone.
createInterface({ input: process.stdin }).on("close", () => process.exit(0));
