// How a script of ours is told what to do and says what happened: a line of JSON each way.
import { createInterface } from 'node:readline'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

export async function hear() {
  const { value, done } = await lines.next()
  if (done) throw new Error('nobody says anything any more')
  return JSON.parse(value)
}

export function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

export function expect(held, what) {
  if (!held) throw new Error(`expected ${what}`)
}

// A promise that must be refused with this OAuth error code.
export async function refused(promise, code) {
  try {
    await promise
  } catch (error) {
    const said = error.error ?? error.cause?.[0]?.parameters?.error ?? error.code
    expect(said === code, `${code}, not ${said}: ${error.message}`)
    return
  }
  throw new Error(`expected ${code}, and it was accepted`)
}
