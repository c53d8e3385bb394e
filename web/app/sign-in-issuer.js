/**
 * What is asked of the OpenID Connect issuer: the code flow with PKCE, renewal, the end. Keeps nothing.
 *
 * @typedef {{ state: string, nonce: string, verifier: string }} Secrets of one sign-in
 * @typedef {{ accessToken: string, refreshToken: string | null, lifeMs: number }} Tokens
 * @typedef {typeof import("../vendor/oauth4webapi.js")} OAuth
 * @typedef {import("../vendor/oauth4webapi.js").AuthorizationServer} Server
 */

import { InletError } from "../client/errors.js";

const ANSWER_MS = 10_000;
const CLOCK_TOLERANCE_S = 86_400; // we hold a token by how long it lives: a device's clock may be wrong by a day
const USUAL_LIFE_S = 300; // of an access token whose issuer does not say

const configured = /** @type {HTMLMetaElement | null} */ (document.querySelector('meta[name="sign-in"]'))?.dataset;

/** Whether these pages know an issuer. */
export const canSignIn = configured !== undefined;

const redirectUri = `${location.origin}/signed-in`;

/** @type {Promise<Server> | null} */
let described = null;

/**
 * Where to send somebody to sign in, and what to keep until they come back.
 * @returns {Promise<{ url: string, secrets: Secrets }>}
 */
export function beginning() {
  return ask(async (oauth, server) => {
    const { client, scope, resource } = settings();
    const secrets = {
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      verifier: oauth.generateRandomCodeVerifier(),
    };
    if (!server.authorization_endpoint) throw new Error("The issuer names no authorization endpoint");
    const url = new URL(server.authorization_endpoint);
    const query = {
      response_type: "code",
      client_id: client,
      redirect_uri: redirectUri,
      scope,
      state: secrets.state,
      nonce: secrets.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(secrets.verifier),
      code_challenge_method: "S256",
      ...(resource && { resource }),
    };
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return { url: url.href, secrets };
  });
}

/**
 * The tokens for the code that came back.
 * @param {URLSearchParams} answer
 * @param {Secrets} secrets
 * @returns {Promise<Tokens>}
 */
export function redeem(answer, { state, nonce, verifier }) {
  return ask(async (oauth, server) => {
    const client = clientOf(oauth);
    const given = oauth.validateAuthResponse(server, client, answer, state);
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.None(),
      given,
      redirectUri,
      verifier,
      options(oauth),
    );
    const checks = { expectedNonce: nonce, requireIdToken: true };
    return tokens(await oauth.processAuthorizationCodeResponse(server, client, response, checks));
  });
}

/**
 * @param {string} refreshToken
 * @returns {Promise<Tokens>}
 */
export function renewal(refreshToken) {
  return ask(async (oauth, server) => {
    const client = clientOf(oauth);
    const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), refreshToken, options(oauth));
    return tokens(await oauth.processRefreshTokenResponse(server, client, response));
  });
}

/**
 * Void a refresh token, and say where the issuer's own session ends.
 * @param {string | null} refreshToken
 * @returns {Promise<string>}
 */
export function ending(refreshToken) {
  return ask(async (oauth, server) => {
    const { client } = settings();
    if (refreshToken && server.revocation_endpoint) {
      const revoked = oauth.revocationRequest(server, clientOf(oauth), oauth.None(), refreshToken, options(oauth));
      await revoked.catch(() => null); // not every issuer lets pages ask; its session ends below, and so do we
    }
    const home = `${location.origin}/`;
    const end = server.end_session_endpoint ?? cognitoLogout(server);
    if (!end) return home;
    const url = new URL(end);
    // OpenID Connect's name for the way back, and Cognito's.
    const query = { client_id: client, post_logout_redirect_uri: home, logout_uri: home };
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url.href;
  });
}

/**
 * Cognito's description of itself may leave it out.
 * @param {Server} server
 */
function cognitoLogout({ issuer, token_endpoint }) {
  return new URL(issuer).hostname.startsWith("cognito-idp.") && token_endpoint
    ? new URL("/logout", token_endpoint).href
    : null;
}

/**
 * @template T
 * @param {(oauth: OAuth, server: Server) => Promise<T>} question
 * @returns {Promise<T>} rejects with an InletError: SIGN_IN_CANCELLED, SIGN_IN_REFUSED, or SIGN_IN_DOWN, which may pass
 */
async function ask(question) {
  /** @type {OAuth | null} */
  let oauth = null;
  try {
    oauth = await import("../vendor/oauth4webapi.js"); // 18 KB that most pages do without
    described ??= description(oauth);
    return await question(oauth, await described);
  } catch (error) {
    described = null;
    throw new InletError(codeOf(oauth, error), String(error), { cause: error });
  }
}

/**
 * @param {OAuth | null} oauth
 * @param {unknown} error
 */
function codeOf(oauth, error) {
  if (oauth && error instanceof oauth.AuthorizationResponseError)
    return error.error === "access_denied" ? "SIGN_IN_CANCELLED" : "SIGN_IN_REFUSED";
  if (oauth && error instanceof oauth.ResponseBodyError && error.status < 500 && error.status !== 429)
    return "SIGN_IN_REFUSED";
  return navigator.onLine ? "SIGN_IN_DOWN" : "NETWORK";
}

/** @param {OAuth} oauth */
async function description(oauth) {
  const issuer = new URL(settings().issuer);
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options(oauth)));
}

/** @param {OAuth} oauth */
const options = (oauth) => ({
  // The local stack's issuer; a deployed one cannot be without TLS.
  [oauth.allowInsecureRequests]: settings().issuer.startsWith("http:"),
  signal: () => AbortSignal.timeout(ANSWER_MS),
});

/** @param {OAuth} oauth */
const clientOf = (oauth) => ({ client_id: settings().client, [oauth.clockTolerance]: CLOCK_TOLERANCE_S });

/**
 * @param {import("../vendor/oauth4webapi.js").TokenEndpointResponse} answer
 * @returns {Tokens}
 */
function tokens({ access_token, refresh_token, expires_in }) {
  return {
    accessToken: access_token,
    refreshToken: refresh_token ?? null,
    lifeMs: (expires_in ?? USUAL_LIFE_S) * 1000,
  };
}

function settings() {
  const { issuer = "", client = "", scope = "openid", resource = "" } = configured ?? {};
  return { issuer, client, scope, resource };
}
