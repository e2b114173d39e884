"use strict";

const lines = (element, text) => {
  element.textContent = element.dataset.live ? `${element.textContent}\n${text}` : text;
  element.dataset.live = "yes";
};

const events = document.getElementById("events");
const source = new EventSource("/events?count=5&seconds=1");
source.onmessage = (event) => lines(events, event.data);
// A browser reconnects when the stream ends; five events are enough to see that nothing buffers.
source.onerror = () => source.close();

const heard = document.getElementById("heard");
const scheme = location.protocol === "https:" ? "wss" : "ws";
const socket = new WebSocket(`${scheme}://${location.host}/ws`);
socket.onopen = () => lines(heard, "connected");
socket.onmessage = (event) => lines(heard, `heard: ${event.data}`);
socket.onclose = (event) => lines(heard, `closed (${event.code})`);

document.getElementById("say").addEventListener("submit", (event) => {
  event.preventDefault();
  socket.send(document.getElementById("word").value);
});
