for (const place of document.querySelectorAll(".origin")) place.textContent = location.origin;
const box = document.querySelector("input[type=search]");
box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  const hide = (element) => element.classList.toggle("none", !words.every((word) => element.dataset.find.includes(word)));
  document.querySelectorAll("[data-find]").forEach(hide);
  for (const group of document.querySelectorAll("[data-group]"))
    group.classList.toggle("none", !group.querySelector("[data-find]:not(.none)"));
});
