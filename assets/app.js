// All of the dashboard's script: copy, theme, confirmation, polling after a payment, playground. Pages work without it.
"use strict";
const all = (selector) => document.querySelectorAll(selector);
const here = (id) => document.getElementById(id);

// [data-into="#id"] reads a file that is chosen into that field.
for (const file of all("[data-into]")) {
  file.closest("[hidden]").hidden = false;
  file.addEventListener("change", async () => { document.querySelector(file.dataset.into).value = await file.files[0].text(); });
}

// [data-copy="#id"] copies that element's text and says so for a moment.
for (const button of all("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Press Ctrl+C";
      getSelection().selectAllChildren(document.querySelector(button.dataset.copy));
    }
    setTimeout(() => { button.textContent = before; }, 2000);
  });
}

for (const button of all("[data-theme-toggle]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* it holds for this page then */ }
  });
}

// form[data-confirm="Really?"] asks before it is sent.
for (const form of all("form[data-confirm]")) {
  form.addEventListener("submit", (event) => { if (!confirm(form.dataset.confirm)) event.preventDefault(); });
}

// One menu at a time, closed by Escape and by a click beside it.
addEventListener("click", (event) => {
  for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of all("details.menu[open]")) { menu.open = false; menu.firstElementChild.focus(); }
});

// [data-poll="/path"] asks until that answers {"done": true}, then loads the page anew.
for (const waiting of all("[data-poll]")) {
  let asked = 0;
  const ask = async () => {
    try {
      const answer = await fetch(waiting.dataset.poll, { headers: { accept: "application/json" } });
      if (answer.ok && (await answer.json()).done) return location.reload();
    } catch { /* the next one may come through */ }
    asked += 1;
    if (asked < 60) setTimeout(ask, Math.min(1000 + asked * 200, 5000));
  };
  setTimeout(ask, 1000);
}

// The playground: asks this server for whoever is signed in, shows what comes as it comes, and what it cost.
const playground = document.querySelector("form[data-playground]");

// The data of an SSE answer, one event at a time.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data: ")) yield line.slice(6).trim();
  }
}

async function showCost(id) {
  for (let asked = 0; asked < 10; asked += 1) {
    const answer = await fetch(`${playground.action}/cost?id=${encodeURIComponent(id)}`);
    const { cost_usd: cost } = answer.ok ? await answer.json() : {};
    if (cost) return `Cost: $${cost}`;
    await new Promise((later) => { setTimeout(later, 300); });
  }
  return "The cost will be in the request log.";
}

const show = {
  async text(response, output) {
    for await (const data of events(response)) {
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message);
      output.append(event.choices?.[0]?.delta?.content ?? "");
    }
  },
  async image(response, output) {
    for (const { b64_json } of (await response.json()).data) {
      output.append(Object.assign(new Image(), { src: `data:image/png;base64,${b64_json}`, alt: playground.prompt.value }));
    }
  },
  async voice(response, output) {
    const src = URL.createObjectURL(await response.blob());
    output.append(Object.assign(document.createElement("audio"), { src, controls: true }));
  },
};

if (playground) {
  const [output, status, stop, run] = ["output", "status", "stop", "run"].map(here);
  const kind = () => playground.model.selectedOptions[0].dataset.modality;
  const choose = () => { here("voice-field").hidden = kind() !== "voice"; };
  playground.model.addEventListener("change", choose);
  choose();
  playground.addEventListener("submit", async (event) => {
    event.preventDefault();
    const asked = { model: playground.model.value, prompt: playground.prompt.value, voice: playground.voice.value };
    const aborter = new AbortController();
    stop.onclick = () => aborter.abort();
    [run.disabled, stop.hidden, status.textContent] = [true, false, "Running…"];
    output.replaceChildren();
    let id = null;
    try {
      const headers = { "content-type": "application/json", "x-csrf-token": playground.csrf.value };
      const options = { method: "POST", headers, body: JSON.stringify(asked), signal: aborter.signal };
      const response = await fetch(`${playground.action}/${kind()}`, options);
      id = response.headers.get("x-request-id");
      if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error?.message ?? `HTTP ${response.status}`);
      await show[kind()](response, output);
      status.textContent = "";
    } catch (error) {
      status.textContent = error.name === "AbortError" ? "Stopped." : `It failed: ${error.message}.`;
    }
    [run.disabled, stop.hidden] = [false, true];
    if (id) status.append(" ", await showCost(id));
  });
}
