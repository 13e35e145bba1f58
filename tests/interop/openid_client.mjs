// The whole life of a grant at FAPI 2.0 level, by openid-client: pushed request with RAR, DPoP with
// nonces, private_key_jwt, reading, refreshing, introspecting, revoking.
import { importJWK } from 'jose'
import * as client from 'openid-client'
import { expect, hear, refused, say } from './talk.mjs'

const task = await hear()
const key = { key: await importJWK(task.jwk, 'ES256'), kid: task.jwk.kid }
const config = await client.discovery(
  new URL(task.issuer), task.client_id, {}, client.PrivateKeyJwt(key),
  { execute: [client.allowInsecureRequests], algorithm: 'oauth2' },
)
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))

const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedState = client.randomState()
const url = await client.buildAuthorizationUrlWithPAR(config, {
  redirect_uri: task.redirect_uri,
  state: expectedState,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  authorization_details: JSON.stringify([task.details]),
}, { DPoP })
say({ open: url.href })

const callback = new URL((await hear()).callback)
const checks = { pkceCodeVerifier, expectedState }
const tokens = await client.authorizationCodeGrant(config, callback, checks, undefined, { DPoP })
expect(tokens.token_type === 'dpop', 'a DPoP-bound token')
expect(tokens.authorization_details[0].grant_id === tokens.grant_id, 'the granted object with its grant_id')

const read = () => client.fetchProtectedResource(
  config, tokens.access_token, new URL(task.read), 'GET', undefined, undefined, { DPoP })
const answer = await read()
expect(answer.status === 200, `the data, not ${answer.status}`)

const again = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
expect(again.access_token !== tokens.access_token, 'a new access token')
// The client's own key binds its refresh token, so it may change the other one (RFC 9449 section 5).
const other = await client.refreshTokenGrant(config, tokens.refresh_token, undefined,
  { DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256')) })
const bound = async (token) => (await client.tokenIntrospection(config, token)).cnf.jkt
expect(await bound(other.access_token) !== await bound(again.access_token), 'a token bound to the new key')

const told = await client.tokenIntrospection(config, again.access_token)
expect(told.active && told.grant_id === tokens.grant_id && told.cnf.jkt, 'an active token with its key')
await client.tokenRevocation(config, again.access_token)
expect((await client.tokenIntrospection(config, again.access_token)).active === false, 'a revoked token')

say({ grant_id: tokens.grant_id })
await hear() // the owner takes the grant back meanwhile
const after = await client.tokenIntrospection(config, tokens.access_token)
expect(after.active === false, 'no token that outlives its grant')
await refused(client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP }), 'invalid_grant')
const denied = await read()
expect(denied.status === 403, `a refusal, not ${denied.status}`)
say({ done: true })
