"use strict";
// Checks a proof (C2SP tlog-proof) in the browser: nothing is sent anywhere. The steps are those of
// ledger/proof.py: the checkpoint's signature, the entry's place in the tree, the payload's commitment.
(() => {
  const form = document.getElementById("check-form");
  if (!form) return;
  const LONGEST = 1024 * 1024;

  const bytes = (base64) => {
    if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64)) throw new Error("a line is not base64");
    const raw = atob(base64);
    if (btoa(raw) !== base64) throw new Error("a line is not base64 in its canonical form");
    return Uint8Array.from(raw, (one) => one.charCodeAt(0));
  };
  const utf8 = (text) => new TextEncoder().encode(text);
  const join = (...parts) => {
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
    return all;
  };
  const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", join(...parts)));
  const hex = (value) => [...value].map((one) => one.toString(16).padStart(2, "0")).join("");
  const same = (one, other) => hex(one) === hex(other);

  const readKey = async (text) => {
    const [name, id, ...rest] = text.trim().split("+");
    const material = bytes(rest.join("+")); // base64 has plus signs of its own
    if (material.length !== 33 || material[0] !== 1) throw new Error("the key is not an Ed25519 verifier key");
    const keyId = (await sha256(utf8(`${name}\n`), material)).slice(0, 4);
    if (hex(keyId) !== id) throw new Error("the key's id does not belong to its name and key");
    return { name, keyId, key: await crypto.subtle.importKey("raw", material.slice(1), "Ed25519", false, ["verify"]) };
  };

  const openCheckpoint = async (note, log) => {
    const at = note.lastIndexOf("\n\n");
    if (at < 0 || !note.endsWith("\n")) throw new Error("the proof is cut short");
    const text = note.slice(0, at + 1);
    const [origin, size, root] = text.split("\n");
    if (origin !== log.name) throw new Error(`this is a checkpoint of ${origin}, not of ${log.name}`);
    if (!/^(?:0|[1-9][0-9]{0,15})$/.test(size)) throw new Error("the checkpoint's size is not a number");
    for (const line of note.slice(at + 2, -1).split("\n")) {
      const [dash, name, encoded] = line.split(" ");
      if (dash !== "\u2014" || name !== log.name) continue;
      const value = bytes(encoded || "");
      if (!same(value.slice(0, 4), log.keyId)) continue;
      if (!(await crypto.subtle.verify("Ed25519", log.key, value.slice(4), utf8(text)))) throw new Error("the checkpoint's signature does not hold");
      return { size: Number(size), root: bytes(root) };
    }
    throw new Error("the checkpoint is not signed by this key");
  };

  // RFC 9162 section 2.1.3.2. Sizes are below 2^53, so halves are taken by division, not by shifting.
  const rootOf = async (leaf, index, size, path) => {
    if (index >= size) throw new Error(`there is no entry ${index} in a tree of ${size}`);
    let [fn, sn, found] = [index, size - 1, leaf];
    const half = () => { [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)]; };
    for (const sibling of path) {
      if (sn === 0) throw new Error("the inclusion proof is too long");
      if (fn % 2 || fn === sn) {
        found = await sha256(Uint8Array.of(1), sibling, found);
        while (fn % 2 === 0 && fn) half();
      } else found = await sha256(Uint8Array.of(1), found, sibling);
      half();
    }
    if (sn !== 0) throw new Error("the inclusion proof is too short");
    return found;
  };

  const check = async (text, log) => {
    const split = text.indexOf("\n\n");
    const lines = text.slice(0, split).split("\n");
    if (lines[0] !== "c2sp.org/tlog-proof@v1") throw new Error("this is not a proof");
    if (split < 0 || lines.length < 3 || text.length > LONGEST) throw new Error("the proof is cut short");
    const index = /^index (0|[1-9][0-9]{0,15})$/.exec(lines[2]);
    if (!index || !lines[1].startsWith("extra ")) throw new Error("the proof's second line must be extra, its third the index");
    const extra = JSON.parse(new TextDecoder().decode(bytes(lines[1].slice(6))));
    if (typeof extra.entry !== "string") throw new Error("the proof holds no entry");
    const path = lines.slice(3).map(bytes);
    if (path.length > 63 || path.some((one) => one.length !== 32)) throw new Error("a hash has 32 bytes");
    const head = await openCheckpoint(text.slice(split + 2), log);
    const leaf = await sha256(Uint8Array.of(0), utf8(extra.entry));
    if (!same(await rootOf(leaf, Number(index[1]), head.size, path), head.root)) throw new Error("the entry is not in this tree");
    const entry = JSON.parse(extra.entry);
    let payload = null;
    if (typeof extra.payload === "string") {
      const salt = bytes(extra.salt || "");
      if (salt.length !== 32 || `sha256:${hex(await sha256(salt, utf8(extra.payload)))}` !== entry.payload_hash) throw new Error("the payload is not the one that the entry commits to");
      payload = JSON.parse(extra.payload);
    }
    return { entry, payload, index: index[1], size: head.size, origin: log.name };
  };

  const show = (verdict, good, facts, payload) => {
    const outcome = document.getElementById("outcome");
    document.getElementById("verdict").textContent = verdict;
    document.getElementById("verdict").className = good === null ? "" : good ? "verdict-good" : "verdict-bad";
    document.getElementById("findings").replaceChildren(...facts.map(([name, value]) => {
      const row = document.createElement("div");
      const [term, detail] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      detail.textContent = value;
      detail.className = "code";
      row.append(term, detail);
      return row;
    }));
    const record = document.getElementById("payload");
    record.hidden = !payload;
    record.textContent = payload ? JSON.stringify(payload, null, 2) : "";
    outcome.hidden = false;
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    show(form.dataset.working, null, [], null);
    try {
      const [file] = document.getElementById("proof").files;
      if (!file) throw new Error("choose a file");
      if (file.size > LONGEST) throw new Error("the file is too large to be a proof");
      const text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
      const found = await check(text, await readKey(document.getElementById("key").value));
      const facts = [["log", found.origin], ["place", `${found.index} of ${found.size}`], ...Object.entries(found.entry)];
      show(form.dataset.good, true, facts, found.payload);
    } catch (error) {
      show(`${form.dataset.bad} ${error.message}`, false, [], null);
    }
  });
})();
