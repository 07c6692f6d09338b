// The page of `mien aim`: exchanges the address's token once, then draws each view and says what to do.

const RETRY_MS = 1000;
const TOPICS = {size: "Size", light: "Light", sharpness: "Sharpness", head: "Head", motion: "Motion"};
const CLOSED = "Closed: the agent has its camera back.";
const SKETCH_CAPTION = "Edges in 80 points across; faces that are found are left blank, and only their boxes are shown.";
const IMAGE_CAPTION = "The camera's own image. It is shown here only, and kept nowhere.";

const byId = (id) => document.getElementById(id);
const canvas = byId("canvas"), image = byId("image"), main = document.querySelector("main");
let lastView = null, isOver = false;

/** Shows why there is nothing to see; `isDone` if that is as it should be. */
function showProblem(text, isDone = false) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
  byId("problem").classList.toggle("done", isDone);
}

/** A response's error in words, or null if it is none. */
async function readError(response) {
  return response.ok ? null : (await response.json()).error;
}

async function exchangeToken() {
  const token = location.hash.slice(1);
  if (!token) return;
  history.replaceState(null, "", "/"); // so that no bookmark and no shared link has it
  const response = await fetch("/session", {method: "POST", body: token});
  const error = await readError(response);
  if (error) console.info(error); // a reloaded page has its cookie; otherwise /state says the same
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function drawSketch(context, sketch) {
  const bytes = Uint8Array.from(atob(sketch.bits), (character) => character.charCodeAt(0));
  const toX = (point) => Math.round(point * canvas.width / sketch.width);
  const toY = (point) => Math.round(point * canvas.height / sketch.height);
  const rowBytes = Math.ceil(sketch.width / 8);
  context.fillStyle = color("sketch");
  for (let y = 0; y < sketch.height; y++) {
    for (let x = 0; x < sketch.width; x++) {
      if ((bytes[y * rowBytes + (x >> 3)] >> (7 - (x & 7))) & 1) {
        context.fillRect(toX(x), toY(y), toX(x + 1) - toX(x), toY(y + 1) - toY(y));
      }
    }
  }
}

/** A box with its size, and the size that is needed as a dashed square in its middle. */
function drawFace(context, face, view, scale) {
  const [left, top, width, height] = face.box;
  const x = left * canvas.width, y = top * canvas.height, w = width * canvas.width, h = height * canvas.height;
  const side = view.needed_px * canvas.width / view.width;
  context.lineWidth = 3 * scale;
  context.strokeStyle = context.fillStyle = color(face.problem ? "bad" : face.side_px < view.needed_px ? "warning" : "good");
  context.strokeRect(x, y, w, h);
  context.save();
  context.setLineDash([4 * scale, 4 * scale]);
  context.lineWidth = 1.5 * scale;
  context.strokeRect(x + (w - side) / 2, y + (h - side) / 2, side, side);
  context.restore();
  context.font = `600 ${14 * scale}px system-ui, sans-serif`;
  const label = `${face.side_px} px${face.problem ? ` ${face.problem.replace("_", " ")}` : ""}`;
  const labelWidth = context.measureText(label).width + 8 * scale;
  const labelX = Math.min(x, canvas.width - labelWidth), labelY = y > 20 * scale ? y - 20 * scale : y + h;
  context.fillRect(labelX, labelY, labelWidth, 20 * scale);
  context.fillStyle = color("card");
  context.fillText(label, labelX + 4 * scale, labelY + 15 * scale);
}

function draw(view, showsImage) {
  const scale = window.devicePixelRatio || 1;
  canvas.style.aspectRatio = `${view.width} / ${view.height}`;
  canvas.width = Math.round(canvas.clientWidth * scale);
  canvas.height = Math.round(canvas.width * view.height / view.width);
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (view.sketch && !showsImage) drawSketch(context, view.sketch);
  for (const face of view.faces) drawFace(context, face, view, scale);
  const sizes = view.faces.map((face) => `${face.side_px} pixels`).join(", ");
  canvas.setAttribute("aria-label", view.error ? "No frame" : sizes ? `Faces in view: ${sizes}` : "No face in view");
}

/** Changes only what has changed, so that a screen reader reads only that. */
function showAdvice(view) {
  for (const topic of Object.keys(TOPICS)) {
    if (!view.advice.some((line) => line.topic === topic)) byId(`advice-${topic}`)?.parentElement.remove();
  }
  for (const line of view.advice) {
    let value = byId(`advice-${line.topic}`);
    if (!value) {
      const row = document.createElement("div"), name = document.createElement("dt");
      value = document.createElement("dd");
      value.id = `advice-${line.topic}`;
      name.textContent = TOPICS[line.topic];
      row.append(name, value);
      byId("advice").append(row);
    }
    if (value.textContent !== line.text) value.textContent = line.text;
    value.className = line.level;
  }
}

function show(state) {
  const {view} = state;
  main.hidden = false;
  byId("left").textContent =
    `closes in ${Math.floor(state.seconds_left / 60)}:${String(state.seconds_left % 60).padStart(2, "0")}`;
  byId("caption").textContent = state.shows_image ? IMAGE_CAPTION : SKETCH_CAPTION;
  showProblem(view.error);
  image.hidden = !state.shows_image || !view.sketch;
  if (!image.hidden) image.src = `/image.jpg?view=${view.number}`;
  draw(view, state.shows_image);
  showAdvice(view);
  lastView = state;
}

function end(text, isDone) {
  isOver = true;
  main.hidden = true;
  byId("left").textContent = "";
  image.removeAttribute("src");
  showProblem(text, isDone);
}

async function follow() {
  while (!isOver) {
    try {
      const response = await fetch(`/state?after=${lastView?.view.number ?? 0}`);
      const error = await readError(response);
      if (error) return end(error, false);
      const state = await response.json();
      if (isOver) return;
      if (state.is_closed) return end(CLOSED, true);
      show(state);
    } catch {
      if (isOver) return;
      if (lastView?.seconds_left <= 1) return end(CLOSED, true);
      showProblem("The device does not respond: mien aim has ended, or the network is down.");
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

byId("finish").addEventListener("click", async () => {
  byId("finish").disabled = true;
  try {
    const error = await readError(await fetch("/finish", {method: "POST"}));
    if (error) return end(error, false);
  } catch {
    // it has ended before it could answer
  }
  end(CLOSED, true);
});
addEventListener("resize", () => lastView && draw(lastView.view, lastView.shows_image));

await exchangeToken();
await follow();
