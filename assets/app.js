// All of the dashboard's script: copy, theme, confirmation, polling after a payment, playground. Pages work without it.
"use strict";
const all = (selector) => document.querySelectorAll(selector);
const here = (id) => document.getElementById(id);

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
