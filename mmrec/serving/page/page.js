// The page at `/`: lists that change with every like, by the calls of the interface that any client has.

const K = 12;
const MAX_PICTURE_BYTES = 16 * 2 ** 20;
const part = (id) => document.getElementById(id);
const state = {
  user: part("user").value,
  history: [], // of a session with nobody: {item_id, event}, oldest first
  session: null, // the id of a dialogue, which begins with the first critique
  titles: new Map(),
  show: null, // asks for the list on the page again
  last: 0, // the number of the latest request: answers to earlier ones are dropped
};
let pictures = []; // addresses of pictures that were fetched with a key

function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function keyHeaders() {
  const key = sessionStorage.getItem("mmrec-key");
  return key ? { Authorization: `Bearer ${key}` } : {};
}

const ENDED = ["urn:mmrec:problem:unknown-session", "urn:mmrec:problem:session-model-gone"];

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { ...options.headers, ...keyHeaders() } });
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  if (answer.status === 401) part("keys").hidden = false;
  const problem = await answer.json().catch(() => ({}));
  const error = new Error(problem.detail || problem.title || `the service answered ${answer.status}`);
  error.status = answer.status;
  if (ENDED.includes(problem.type)) state.session = null; // the next word begins another session
  throw error;
}

function sendJson(path, content) {
  return ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });
}

// Run what a person asked for, and say what went wrong.
async function attempt(work) {
  try {
    await work();
  } catch (error) {
    part("problem").textContent = error.message;
  }
}

async function showList(title, request, { by = false, focus = null } = {}) {
  const number = ++state.last;
  const list = part("list");
  list.setAttribute("aria-busy", "true");
  try {
    const answer = await request();
    if (number !== state.last) return;
    part("problem").textContent = "";
    part("title").textContent = title;
    part("reason").textContent = answer.items.length ? answer.reason : `${answer.reason}: no items`;
    part("model").textContent = answer.model;
    part("by-label").hidden = !by;
    for (const one of pictures) URL.revokeObjectURL(one);
    pictures = [];
    list.replaceChildren(...answer.items.map(makeCard));
    showHistory();
    const target = focus === null ? part("title") : list.children[Math.min(focus, list.children.length - 1)]?.querySelector(".like");
    if (focus !== false) (target ?? part("title")).focus({ preventScroll: focus !== null });
  } finally {
    if (number === state.last) list.removeAttribute("aria-busy");
  }
}

function makeCard(item) {
  const card = part("card").content.firstElementChild.cloneNode(true);
  const title = item.title?.trim() || item.item_id;
  state.titles.set(item.item_id, title);
  card.dataset.item = item.item_id;
  card.querySelector("h3").textContent = title;
  card.querySelector("h3").title = title;
  showPicture(card.querySelector(".picture"), item, title);
  for (const kind of ["like", "dislike"]) {
    const button = card.querySelector(`.${kind}`);
    button.setAttribute("aria-label", `${button.textContent} ${title}`);
    button.addEventListener("click", () => attempt(() => give(item.item_id, kind, [...card.parentElement.children].indexOf(card))));
  }
  const similar = card.querySelector(".similar");
  similar.setAttribute("aria-label", `Similar to ${title}`);
  similar.addEventListener("click", () => attempt(() => showSimilar(item.item_id)));
  const why = card.querySelector(".why");
  why.setAttribute("aria-label", `Why ${title}`);
  why.addEventListener("click", () => attempt(() => showWhy(item.item_id, why, card.querySelector(".sentences"))));
  return card;
}

async function showPicture(place, item, title) {
  const letter = document.createElement("span");
  letter.textContent = [...title][0] ?? "";
  letter.setAttribute("aria-hidden", "true");
  if (!item.image || !item.image.startsWith("/")) return place.replaceChildren(letter);
  const image = new Image();
  image.alt = "";
  image.loading = "lazy";
  image.addEventListener("error", () => place.replaceChildren(letter));
  place.replaceChildren(image);
  const headers = keyHeaders();
  if (!headers.Authorization) image.src = item.image;
  else {
    const answer = await fetch(item.image, { headers }).catch(() => null);
    if (!answer?.ok) return place.replaceChildren(letter);
    image.src = URL.createObjectURL(await answer.blob());
    pictures.push(image.src);
  }
}

function showHistory() {
  const place = part("history");
  place.hidden = !state.history.length;
  const words = state.history.map((one) => `${one.event === "dislike" ? "not " : ""}${state.titles.get(one.item_id) ?? one.item_id}`);
  place.textContent = `So far: ${words.join(", ")}`;
}

// Why an item is in the list: sentences for a user, else what the list is made from.
async function showWhy(itemId, button, place) {
  if (!place.hidden) {
    place.hidden = true;
    return button.setAttribute("aria-expanded", "false");
  }
  let sentences = [part("reason").textContent];
  if (state.user) {
    sentences = (await ask(`/v1/explanations?user_id=${encodeURIComponent(state.user)}&item_id=${encodeURIComponent(itemId)}`)).sentences;
  }
  place.textContent = sentences.join(" ") || "Nothing is known of that.";
  place.hidden = false;
  button.setAttribute("aria-expanded", "true");
}

// Tell the dialogue one thing; it begins with what was liked and disliked so far.
async function tell(said) {
  if (!state.session) {
    const liked = state.history.filter((one) => one.event === "like").map((one) => one.item_id);
    state.session = (await sendJson("/v1/sessions", state.user ? { user_id: state.user } : { history: liked })).session;
    if (!state.user) for (const one of state.history) if (one.event === "dislike") await sendFeedback({ dislike: one.item_id });
  }
  part("answer").textContent = (await sendFeedback(said)).answer;
  return showRecommendations(false);
}

function sendFeedback(said) {
  return sendJson(`/v1/sessions/${state.session}/feedback`, said);
}

function endSession() {
  if (state.session) ask(`/v1/sessions/${state.session}`, { method: "DELETE" }).catch(() => null);
  state.session = null;
  part("answer").textContent = "";
}

// A like or dislike: told to the dialogue if there is one, stored for a user, kept on the page for nobody. The list changes at once.
async function give(itemId, event, place) {
  if (state.session) part("answer").textContent = (await sendFeedback({ [event]: itemId })).answer;
  else if (state.user) await sendJson("/v1/events", { event_id: randomId(), user_id: state.user, item_id: itemId, event });
  if (!state.user) state.history = [...state.history.filter((one) => one.item_id !== itemId), { item_id: itemId, event }];
  await showRecommendations(place);
}

function showRecommendations(focus = null) {
  part("back").hidden = true;
  state.show = () => showRecommendations(false);
  if (state.session) {
    return showList(state.user ? `For ${state.user}` : "For you", () => ask(`/v1/sessions/${state.session}/recommendations?k=${K}`), { focus });
  }
  if (state.user) {
    return showList(`For ${state.user}`, () => ask(`/v1/users/${encodeURIComponent(state.user)}/recommendations?k=${K}`), { focus });
  }
  const title = state.history.length ? "For you" : "Popular now";
  return showList(title, () => sendJson("/v1/recommendations", { history: state.history, k: K }), { focus });
}

function showSimilar(itemId) {
  part("back").hidden = false;
  const path = () => `/v1/items/${encodeURIComponent(itemId)}/similar?k=${K}&by=${encodeURIComponent(part("by").value || "all")}`;
  state.show = () => showList(`Similar to ${state.titles.get(itemId)}`, () => ask(path()), { by: true, focus: false });
  return showList(`Similar to ${state.titles.get(itemId)}`, () => ask(path()), { by: true });
}

const personal = () => (state.user ? `&user_id=${encodeURIComponent(state.user)}` : "");

function showMatches(text) {
  part("back").hidden = false;
  return showList(`Matches of “${text}”`, () => ask(`/v1/search?k=${K}&q=${encodeURIComponent(text)}${personal()}`));
}

function showLookalikes(file) {
  if (!file.type.startsWith("image/")) throw new Error(`expected a picture, found ${file.type || "another file"}`);
  if (file.size > MAX_PICTURE_BYTES) throw new Error(`expected a picture of at most ${MAX_PICTURE_BYTES / 2 ** 20} MiB`);
  part("back").hidden = false;
  const options = { method: "POST", headers: { "Content-Type": file.type }, body: file };
  return showList(`Like the picture ${file.name}`, () => ask(`/v1/search?k=${K}${personal()}`, options));
}

function listen() {
  part("who").addEventListener("submit", (event) => {
    event.preventDefault();
    endSession();
    state.user = part("user").value.trim();
    state.history = [];
    attempt(() => showRecommendations());
  });
  part("nobody").addEventListener("click", () => {
    endSession();
    state.user = part("user").value = "";
    state.history = [];
    attempt(() => showRecommendations());
  });
  part("find").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = part("q").value.trim();
    attempt(() => (text ? showMatches(text) : showRecommendations()));
  });
  part("steer").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = part("critique").value.trim();
    part("critique").value = "";
    attempt(() => tell({ critique: text }));
  });
  part("undo").addEventListener("click", () => attempt(() => tell({ undo: true })));
  part("picture").addEventListener("change", () => {
    const [file] = part("picture").files;
    if (file) attempt(() => showLookalikes(file));
  });
  part("back").addEventListener("click", () => attempt(() => showRecommendations()));
  part("by").addEventListener("change", () => attempt(() => state.show()));
  part("keys").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem("mmrec-key", part("key").value.trim());
    part("key").value = "";
    attempt(() => showRecommendations());
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const [file] = event.dataTransfer.files;
    if (file) attempt(() => showLookalikes(file));
  });
}

listen();
part("nobody").hidden = part("steer").hidden = false;
document.querySelector(".file").hidden = false;
const needsKey = document.body.dataset.hasKeys === "yes" && !sessionStorage.getItem("mmrec-key");
if (needsKey) part("reason").textContent = "This service needs an API key.";
else if (part("q").value) attempt(() => showMatches(part("q").value));
else attempt(() => showRecommendations(false));
