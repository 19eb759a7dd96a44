// The whole picture with a frame around the piece that is looked at; a click or an arrow key moves it.
const box = element.querySelector(".rk-overview");
const picture = box.querySelector(".rk-whole");
const frame = box.querySelector(".rk-frame");
const STEP = 0.5; // of the frame's side
const show = () => {
  const value = props.value;
  box.classList.toggle("rk-empty", !value);
  if (!value) return;
  if (picture.src !== value.picture) picture.src = value.picture;
  const [left, top, right, bottom] = value.frame;
  frame.style.left = 100 * left + "%";
  frame.style.top = 100 * top + "%";
  frame.style.width = 100 * (right - left) + "%";
  frame.style.height = 100 * (bottom - top) + "%";
};
const go = (x, y) => trigger("select", { x: Math.min(1, Math.max(0, x)), y: Math.min(1, Math.max(0, y)) });
box.addEventListener("click", (event) => {
  const place = picture.getBoundingClientRect();
  go((event.clientX - place.left) / place.width, (event.clientY - place.top) / place.height);
});
box.addEventListener("keydown", (event) => {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!way || !props.value) return;
  event.preventDefault();
  const [left, top, right, bottom] = props.value.frame;
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  go(x + STEP * way[0] * (right - left), y + STEP * way[1] * (bottom - top));
});
show();
watch("value", show);
