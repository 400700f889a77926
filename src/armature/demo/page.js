"use strict";
const $ = (id) => document.getElementById(id);
const canvas = $("picture"), pen = canvas.getContext("2d"), video = $("video");
let network = null, last = null, stream = null, asked = 0;

function complain(text) {
  $("error").textContent = text;
  $("error").hidden = !text;
}

async function load() {
  network = await (await fetch("network")).json();
  $("title").textContent = network.title;
}

async function ask(blob) {
  if (blob.size > network.megabytes * 1e6) throw new Error(`the file has ${(blob.size / 1e6).toFixed(1)} MB; at most ${network.megabytes} are taken`);
  const answer = await fetch("people", { method: "POST", body: blob });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

async function show(blob) {
  stop();
  complain("");
  const mine = ++asked;
  $("status").textContent = "looking ...";
  try {
    const [told, image] = await Promise.all([ask(blob), createImageBitmap(blob)]);
    if (mine !== asked) return;
    draw(image, told);
  } catch (error) {
    if (mine !== asked) return;
    $("status").textContent = "";
    complain(error.message || String(error));
  }
}

function draw(image, told) {
  last = { image, told };
  const [height, width] = told.size;
  canvas.width = width;
  canvas.height = height;
  canvas.style.width = `${Math.max(width, Math.min(640, 4 * width))}px`;  // small pictures are shown larger
  canvas.hidden = false;
  $("hint").hidden = true;
  $("stage").classList.add("full");
  repaint();
  table(told.people);
  const { read, find } = told.milliseconds, count = told.people.length;
  $("status").textContent = `${count === 0 ? "nobody" : count === 1 ? "1 person" : `${count} people`} in ${find.toFixed(0)} ms, picture ${width} x ${height} read in ${read.toFixed(0)} ms`;
  document.body.dataset.people = String(count);
}

function repaint() {
  if (!last) return;
  const { image, told } = last, floor = Number($("floor").value);
  pen.globalAlpha = 1;
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  const shown = canvas.clientWidth ? canvas.width / canvas.clientWidth : 1;
  pen.lineCap = "round";
  for (const person of told.people) {
    const sure = person.confidences, at = person.keypoints;
    for (const [a, b] of network.edges) {
      if (sure[a] < floor || sure[b] < floor) continue;
      pen.globalAlpha = 0.35 + 0.65 * Math.min(1, sure[a], sure[b]);
      for (const [colour, width] of [["#000", 5], [network.colours[b], 3]]) {
        pen.strokeStyle = colour;
        pen.lineWidth = width * shown;
        pen.beginPath();
        pen.moveTo(...at[a]);
        pen.lineTo(...at[b]);
        pen.stroke();
      }
    }
    at.forEach(([x, y], k) => {
      if (sure[k] < floor) return;
      pen.globalAlpha = 0.35 + 0.65 * Math.min(1, sure[k]);
      pen.fillStyle = network.colours[k];
      pen.strokeStyle = "#000";
      pen.lineWidth = shown;
      pen.beginPath();
      pen.arc(x, y, 4 * shown, 0, 2 * Math.PI);
      pen.fill();
      pen.stroke();
    });
    pen.globalAlpha = 1;
    const [x, y] = person.box, text = person.score.toFixed(2), size = 14 * shown;
    pen.font = `600 ${size}px system-ui, sans-serif`;
    pen.lineWidth = 3 * shown;
    pen.strokeStyle = "#000";
    pen.fillStyle = "#fff";
    const left = Math.max(2, x), top = Math.max(size, y - 4 * shown);
    pen.strokeText(text, left, top);
    pen.fillText(text, left, top);
  }
}

function table(people) {
  const floor = Number($("floor").value), rows = [];
  const cell = (kind, text, low) => {
    const made = document.createElement(kind);
    made.textContent = text;
    if (low) made.className = "low";
    return made;
  };
  const row = (first, rest) => {
    const made = document.createElement("tr");
    made.append(first, ...rest);
    return made;
  };
  const head = document.createElement("thead"), body = document.createElement("tbody");
  if (people.length) {
    head.append(row(cell("th", "person"), people.map((_, i) => cell("th", String(i + 1)))));
    rows.push(row(cell("th", "score"), people.map((p) => cell("td", p.score.toFixed(2)))));
    network.keypoints.forEach((name, k) => {
      const values = people.map((p) => cell("td", p.confidences[k].toFixed(2), p.confidences[k] < floor));
      rows.push(row(cell("td", name.replaceAll("_", " ")), values));
    });
  } else {
    rows.push(row(cell("td", "Nobody was found."), []));
  }
  body.append(...rows);
  $("people").replaceChildren(head, body);
}

function stop() {
  if (stream) stream.getTracks().forEach((track) => track.stop());
  stream = null;
  $("camera").textContent = "Use the camera";
}

async function watch() {
  complain("");
  asked += 1;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 } } });
  } catch (error) {
    complain(`the camera cannot be used: ${error.message || error}`);
    return;
  }
  $("camera").textContent = "Stop the camera";
  video.srcObject = stream;
  await video.play();
  const frame = document.createElement("canvas"), mine = stream;
  while (stream === mine) {
    frame.width = video.videoWidth;
    frame.height = video.videoHeight;
    frame.getContext("2d").drawImage(video, 0, 0);
    const blob = await new Promise((done) => frame.toBlob(done, "image/jpeg", 0.9));
    try {
      const [told, image] = await Promise.all([ask(blob), createImageBitmap(frame)]);
      if (stream === mine) draw(image, told);
    } catch (error) {
      complain(error.message || String(error));
      stop();
    }
  }
}

$("file").addEventListener("change", (event) => {
  if (event.target.files[0]) show(event.target.files[0]);
  event.target.value = "";
});
$("camera").addEventListener("click", () => (stream ? stop() : watch()));
$("floor").addEventListener("input", () => {
  $("shown").textContent = Number($("floor").value).toFixed(2);
  repaint();
  if (last) table(last.told.people);
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("stage").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files[0]) show(event.dataTransfer.files[0]);
  });
}
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files[0]) show(event.clipboardData.files[0]);
});
window.addEventListener("resize", repaint);
load().then(() => { document.body.dataset.ready = "yes"; }, (error) => complain(`the server does not answer: ${error}`));
