// The list of files for who may only look: folders within this page, notebooks as pages, other files as they are.
"use strict";
const encoded = (path) => path.split("/").map(encodeURIComponent).join("/");
const link = (text, href) => {
  const a = document.createElement("a");
  a.textContent = text;
  a.href = href;
  return a;
};
const target = (entry) => {
  if (entry.type === "directory") return "#" + encoded(entry.path);
  if (entry.type === "notebook") return "/nbconvert/html/" + encoded(entry.path);
  return "/files/" + encoded(entry.path);
};
const show = async () => {
  const path = decodeURIComponent(location.hash.slice(1));
  const said = document.getElementById("said");
  const files = document.getElementById("files");
  const above = path.split("/").slice(0, -1).join("/");
  document.getElementById("path").replaceChildren(...(path ? [link("Up", "#" + encoded(above)), " " + path] : []));
  files.replaceChildren();
  try {
    const answer = await fetch("/api/contents/" + encoded(path) + "?content=1", { headers: { accept: "application/json" } });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.message);
    const entries = body.content.sort((a, b) => a.name.localeCompare(b.name));
    said.textContent = entries.length ? "" : "There is nothing here.";
    for (const entry of entries) {
      const item = document.createElement("li");
      item.append(link(entry.name + (entry.type === "directory" ? "/" : ""), target(entry)));
      files.append(item);
    }
  } catch (error) {
    said.textContent = "The list cannot be read: " + error.message;
  }
};
addEventListener("hashchange", show);
show();
