// The same by oauth4webapi, one request after the other, and what must be refused.
import { importJWK } from 'jose'
import * as oauth from 'oauth4webapi'
import { expect, hear, refused, say } from './talk.mjs'

const task = await hear()
const insecure = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(task.issuer)
const as = await oauth.processDiscoveryResponse(
  issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }))
const client = { client_id: task.client_id }
const auth = oauth.PrivateKeyJwt({ key: await importJWK(task.jwk, 'ES256'), kid: task.jwk.kid })
const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))

// A call, once more when the server wants its nonce in the proof (RFC 9449 section 8).
async function withNonce(call) {
  try {
    return await call()
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return await call()
  }
}

const code_verifier = oauth.generateRandomCodeVerifier()
const state = oauth.generateRandomState()
const parameters = {
  response_type: 'code',
  redirect_uri: task.redirect_uri,
  state,
  code_challenge: await oauth.calculatePKCECodeChallenge(code_verifier),
  code_challenge_method: 'S256',
  authorization_details: JSON.stringify([task.details]),
}
const push = async (changes = {}) => oauth.processPushedAuthorizationResponse(as, client,
  await oauth.pushedAuthorizationRequest(as, client, auth, { ...parameters, ...changes }, { DPoP, ...insecure }))

await refused(push({ redirect_uri: 'https://elsewhere.example/callback' }), 'invalid_request')
await refused(push({ code_challenge_method: 'plain' }), 'invalid_request')
await refused(push({ response_type: 'token' }), 'unsupported_response_type')
await refused(push({ authorization_details: '[{"type": "unknown"}]' }), 'invalid_authorization_details')
const pushed = await withNonce(push)
const open = new URL(as.authorization_endpoint)
open.searchParams.set('client_id', client.client_id)
open.searchParams.set('request_uri', pushed.request_uri)
say({ open: open.href })

const returned = oauth.validateAuthResponse(as, client, new URL((await hear()).callback), state)
const redeem = async (verifier) => oauth.processAuthorizationCodeResponse(as, client,
  await oauth.authorizationCodeGrantRequest(
    as, client, auth, returned, task.redirect_uri, verifier, { DPoP, ...insecure }))
await refused(redeem(oauth.generateRandomCodeVerifier()), 'invalid_grant')
const tokens = await withNonce(() => redeem(code_verifier))
const read = () => oauth.protectedResourceRequest(
  tokens.access_token, 'GET', new URL(task.read), new Headers(), null, { DPoP, ...insecure })
expect((await read()).status === 200, 'the data')

const introspect = async (token) => oauth.processIntrospectionResponse(as, client,
  await oauth.introspectionRequest(as, client, auth, token, insecure))
expect((await introspect(tokens.access_token)).active, 'an active token')
const refresh = async () => oauth.processRefreshTokenResponse(as, client,
  await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token, { DPoP, ...insecure }))
expect((await withNonce(refresh)).access_token, 'a new access token')

// A code that comes a second time ends what it gave (RFC 6749 section 4.1.2).
await refused(redeem(code_verifier), 'invalid_grant')
expect((await introspect(tokens.access_token)).active === false, 'tokens that ended with their code')
say({ grant_id: tokens.grant_id })
await hear()
await oauth.processRevocationResponse(
  await oauth.revocationRequest(as, client, auth, tokens.access_token, insecure))
say({ done: true })
