// The passkey ceremonies (WebAuthn Level 3). Everything else on these pages works without a script.
"use strict";

(() => {
  const status = document.getElementById("passkey-status");
  const signIn = document.getElementById("sign-in-passkey");
  const create = document.getElementById("create-passkey");
  if (!status || !(signIn || create)) return;

  const supported =
    typeof PublicKeyCredential !== "undefined" &&
    "parseCreationOptionsFromJSON" in PublicKeyCredential &&
    "parseRequestOptionsFromJSON" in PublicKeyCredential;

  const say = (key, text) => {
    status.className = `passkey-status is-${key}`;
    status.textContent = text || status.dataset[key];
  };

  // A refusal by the service, with its sentence for the person (RFC 9457 "detail").
  class Refused extends Error {}
  class Offline extends Error {}

  const post = async (url, body) => {
    const answer = await fetch(url, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Accept: "application/json, application/problem+json",
        "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content,
      },
      body: JSON.stringify(body),
    }).catch(() => {
      throw new Offline();
    });
    const text = await answer.text();
    if (answer.ok) return text ? JSON.parse(text) : {};
    let problem = {};
    try {
      problem = JSON.parse(text);
    } catch {
      // Not a problem document, for example a proxy's own page: the general sentence will do.
    }
    throw new Refused(typeof problem.detail === "string" ? problem.detail : "");
  };

  // Only paths of this site, whatever the page or the answer says.
  const go = (target) => {
    const url = new URL(target || "/", location.href);
    location.assign(url.origin === location.origin ? url.href : "/");
  };

  const explain = (error) => {
    if (error instanceof Refused) say("failed", error.message);
    else if (error.name === "NotAllowedError" || error.name === "AbortError") say("cancelled");
    else if (error.name === "InvalidStateError") say("known");
    else if (error instanceof Offline) say("offline");
    else say("failed");
  };

  const begin = (button, ceremony) => {
    if (!supported) {
      say("unsupported");
      return;
    }
    for (const part of document.querySelectorAll("[data-passkey-part]")) part.hidden = false;
    button.hidden = false;
    button.addEventListener("click", async () => {
      if (button.getAttribute("aria-disabled") === "true") return;
      button.setAttribute("aria-disabled", "true");
      say("working");
      try {
        const next = await ceremony(button.dataset);
        say("done");
        go(next);
      } catch (error) {
        explain(error);
      } finally {
        button.removeAttribute("aria-disabled");
      }
    });
  };

  if (signIn)
    begin(signIn, async ({ url, next }) => {
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(await post(`${url}/options`, {}));
      const credential = await navigator.credentials.get({ publicKey });
      const answer = await post(`${url}?next=${encodeURIComponent(next)}`, credential.toJSON());
      return answer.next;
    });

  if (create)
    begin(create, async ({ url, next }) => {
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(await post(`${url}/options`, {}));
      const credential = await navigator.credentials.create({ publicKey });
      await post(url, { ...credential.toJSON(), name: document.getElementById("name").value });
      return next;
    });
})();
