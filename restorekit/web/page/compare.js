// Two pictures over each other, and a slider that says how much of the first is seen. A new value leaves the slider
// where it is.
const box = element.querySelector(".rk-compare");
const before = box.querySelector(".rk-before");
const after = box.querySelector(".rk-after");
const range = box.querySelector(".rk-range");
const share = () => box.style.setProperty("--rk-share", range.value + "%");
const show = () => {
  const value = props.value;
  box.classList.toggle("rk-empty", !value);
  if (!value) return;
  box.classList.toggle("rk-fit", Boolean(value.fit));
  box.style.setProperty("--rk-width", value.width + "px");
  box.style.setProperty("--rk-height", value.height + "px");
  if (before.src !== value.before) before.src = value.before;
  if (after.src !== value.after) after.src = value.after;
};
range.addEventListener("input", share);
share();
show();
watch("value", show);
