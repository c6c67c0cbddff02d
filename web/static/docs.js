// Draws /openapi.json. Everything is put into the page as text, never as markup.

const MAX_DEPTH = 5;

/** Makes an element: attributes as an object, then children (elements or text). */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Turns `code` marks of a description into code elements. */
function prose(text) {
  return text.split(/`([^`]+)`/).map((part, index) => (index % 2 ? make("code", {}, part) : part));
}

function paragraphs(text) {
  return text.split(/\n\s*\n/).map((part) => make("p", {}, ...prose(part)));
}

function resolve(schema, api) {
  if (!schema || !schema.$ref) return schema || {};
  const { $ref, ...rest } = schema;
  const target = $ref.split("/").slice(1).reduce((node, step) => node[step], api);
  return { ...target, ...rest };
}

/** Splits the choices of a schema from the null that only says "may be absent". */
function choices(schema, api) {
  const all = schema.anyOf || schema.oneOf;
  if (!all) return [schema];
  return all.filter((choice) => choice.type !== "null").map((choice) => resolve(choice, api));
}

function typeName(schema, api) {
  const found = resolve(schema, api);
  const names = choices(found, api).map((choice) => {
    if (choice.const !== undefined) return JSON.stringify(choice.const);
    if (choice.enum) return choice.enum.map((value) => JSON.stringify(value)).join(" | ");
    if (choice.type === "array") return `array of ${typeName(choice.items || {}, api)}`;
    if (choice.type === "object" && choice.properties) return "object";
    if (choice.format) return `${choice.type} (${choice.format})`;
    return choice.type || "any";
  });
  return [...new Set(names)].join(" or ");
}

function limits(schema) {
  const notes = [];
  if (schema.minimum !== undefined) notes.push(`≥ ${schema.minimum}`);
  if (schema.exclusiveMinimum !== undefined) notes.push(`> ${schema.exclusiveMinimum}`);
  if (schema.maximum !== undefined) notes.push(`≤ ${schema.maximum}`);
  if (schema.minLength !== undefined) notes.push(`at least ${schema.minLength} characters`);
  if (schema.maxLength !== undefined) notes.push(`at most ${schema.maxLength} characters`);
  if (schema.minItems !== undefined) notes.push(`at least ${schema.minItems} items`);
  if (schema.maxItems !== undefined) notes.push(`at most ${schema.maxItems} items`);
  if (schema.default !== undefined && schema.default !== null) notes.push(`default ${JSON.stringify(schema.default)}`);
  return notes;
}

function fieldNote(schema, api) {
  const found = resolve(schema, api);
  const parts = [];
  const shapes = choices(found, api);
  const described = found.description || shapes.map((choice) => choice.description).find(Boolean);
  if (described) parts.push(...prose(described), " ");
  const bounds = [...limits(found), ...(shapes.length === 1 && shapes[0] !== found ? limits(shapes[0]) : [])];
  if (bounds.length) parts.push(bounds.join(", "));
  const pattern = found.pattern || (shapes.length === 1 && shapes[0].pattern);
  if (pattern) parts.push(bounds.length ? " " : "", make("code", {}, pattern));
  return parts.length ? make("div", { class: "field-note" }, ...parts) : null;
}

/** Lists the members of an object schema, and below each the members of its own objects. */
function fields(schema, api, depth = 0) {
  const found = resolve(schema, api);
  const shapes = choices(found, api).map((choice) => (choice.type === "array" ? resolve(choice.items, api) : choice));
  const shape = shapes.flatMap((choice) => choices(choice, api)).find((choice) => choice.properties);
  if (!shape || depth > MAX_DEPTH) return null;
  const required = new Set(shape.required || []);
  return make(
    "ul",
    { class: "fields" },
    ...Object.entries(shape.properties).map(([name, member]) =>
      field(name, member, { needed: required.has(name), api, depth }),
    ),
  );
}

function field(name, schema, { needed, api, depth = 0, mark = true }) {
  return make(
    "li",
    {},
    make(
      "div",
      { class: "field-head" },
      make("span", { class: "field-name" }, name),
      make("span", { class: "field-type" }, typeName(schema, api)),
      needed && mark ? make("span", { class: "field-need" }, "required") : null,
    ),
    fieldNote(schema, api),
    fields(schema, api, depth + 1),
  );
}

function sample(value, label) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const button = make("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  return make("div", { class: "sample" }, make("pre", { tabindex: "0", "aria-label": label }, text), button);
}

function heading(text) {
  return make("h3", {}, text);
}

function described(schema, example, api, label) {
  const members = fields(schema, api);
  const shown = example === undefined ? null : sample(example, label);
  if (members && shown) return make("div", { class: "columns" }, members, shown);
  return members || shown || make("span", { class: "field-type" }, typeName(schema, api));
}

function answerView(status, answer, api) {
  const mark = make("span", { class: `status s${status[0]}` }, status);
  const [type, content] = Object.entries(answer.content)[0];
  if (type === "application/problem+json") {
    // "`name`: meaning." once per kind of problem
    const kinds = answer.description.split(/(?=`[a-z-]+`: )/).map((part) => part.trim());
    const text =
      kinds.length === 1 ? prose(kinds[0]) : [make("ul", {}, ...kinds.map((kind) => make("li", {}, ...prose(kind))))];
    return make("div", { class: "answer plain" }, mark, make("span", { class: "answer-text" }, ...text));
  }
  return make(
    "details",
    { class: "answer", ...(status[0] === "2" ? { open: "" } : {}) },
    make("summary", {}, mark, make("span", { class: "answer-text" }, `${answer.description} `, make("code", {}, type))),
    make("div", {}, described(content.schema, content.example, api, `Example of the ${status} answer`)),
  );
}

function operationView(path, method, operation, api) {
  const body = operation.requestBody?.content["application/json"];
  const signed = operation.security.some((scheme) => "signature" in scheme);
  return make(
    "details",
    { class: "card", id: operation.operationId },
    make(
      "summary",
      {},
      make("span", { class: `method ${method}` }, method.toUpperCase()),
      make("span", { class: "path" }, path),
      make("span", { class: "summary" }, operation.summary),
      make("span", { class: "chip" }, operation["x-role"] ? `role ${operation["x-role"]}` : "public"),
      signed ? make("span", { class: "chip" }, "signed") : null,
    ),
    make(
      "div",
      { class: "card-body" },
      ...paragraphs(operation.description),
      ...(operation.parameters
        ? [
            heading("Parameters"),
            make(
              "ul",
              { class: "fields" },
              ...operation.parameters.map((item) =>
                field(`${item.name} (${item.in})`, item.schema, { needed: item.required, api }),
              ),
            ),
          ]
        : []),
      ...(body ? [heading("Body"), described(body.schema, body.example, api, "Example of the body")] : []),
      heading("Answers"),
      ...Object.entries(operation.responses).map(([status, answer]) => answerView(status, answer, api)),
    ),
  );
}

function problemsView(problems) {
  return problems.map((problem) =>
    make(
      "div",
      { class: "problem", id: `problem-${problem.name}` },
      make("span", { class: `status s${String(problem.status)[0]}` }, String(problem.status)),
      make("code", {}, problem.name),
      make("p", {}, ...prose(problem.meaning)),
    ),
  );
}

function contentsView(groups) {
  const sections = [...groups].map(([tag, operations]) =>
    make(
      "section",
      {},
      make("h2", {}, tag),
      make(
        "ul",
        {},
        ...operations.map(({ operation }) =>
          make("li", {}, make("a", { href: `#${operation.operationId}` }, operation.summary)),
        ),
      ),
    ),
  );
  const tags = [...groups.keys(), "Problems"].map((tag) => make("a", { href: `#tag-${tag.toLowerCase()}` }, tag));
  return [
    make("div", { class: "tags" }, ...tags),
    ...sections,
    make("section", {}, make("h2", {}, "Reference"), make("a", { href: "#tag-problems" }, "Problems")),
  ];
}

function grouped(api) {
  const groups = new Map(api.tags.map((tag) => [tag.name, []]));
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      groups.get(operation.tags[0]).push({ path, method, operation });
    }
  }
  return groups;
}

/** Opens the operation or marks the problem that the address names; it did not exist yet when the page was opened. */
function follow() {
  for (const marked of document.querySelectorAll(".named")) marked.classList.remove("named");
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.tagName === "DETAILS") target.open = true;
  target?.classList.add("named");
  target?.scrollIntoView();
}

function draw(api) {
  const groups = grouped(api);
  const main = document.getElementById("top");
  main.replaceChildren(make("h1", {}, `${api.info.title} API`), ...paragraphs(api.info.description));
  for (const [tag, operations] of groups) {
    main.append(make("h2", { id: `tag-${tag.toLowerCase()}` }, tag));
    main.append(...operations.map(({ path, method, operation }) => operationView(path, method, operation, api)));
  }
  main.append(make("h2", { id: "tag-problems" }, "Problems"));
  main.append(make("p", {}, ...prose("Every error is `application/problem+json`; its `type` leads to one of these.")));
  main.append(...problemsView(api["x-problems"]));
  document.getElementById("contents").replaceChildren(...contentsView(groups));
  window.addEventListener("hashchange", follow);
  if (location.hash) follow();
}

try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  draw(await answer.json());
} catch (error) {
  const state = document.getElementById("state");
  state.className = "failed";
  state.textContent = `The API description could not be loaded: ${error.message}`;
}
