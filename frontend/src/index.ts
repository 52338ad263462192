// The entry that TensorBoard's frame calls: render().
import "./elements/answer_strip";
import "./elements/candidates";
import "./elements/compare_stage";
import "./elements/export_dialog";
import "./elements/filmstrip";
import "./elements/header";
import "./elements/help";
import "./elements/image_strip";
import "./elements/legend";
import "./elements/matrix_tip";
import "./elements/notice";
import "./elements/readers";
import "./elements/relevance_matrix";
import "./elements/sample_picker";
import "./elements/sample_table";
import "./elements/scale_scrubber";
import "./elements/stage";
import "./elements/step_slider";
import { HttpApi } from "./core/api";
import { type EmbeddedData, EmbeddedApi, embeddedData } from "./core/embedded";
import { ExplanationSource } from "./core/explanation_source";
import { followTheme, isShown, listenToHost, readParameters, takeFocus, watchAddress, writeParameters } from "./core/host";
import { PanelModel } from "./core/model";
import { WorkerLoader } from "./core/step_loader";
import { PARAMETER_NAMES, fromParameters, toParameters } from "./core/state";
import { Panel } from "./elements/panel";

const WRITE_DELAY_MS = 250;

export async function render(): Promise<void> {
  document.documentElement.lang = "en";
  document.title ||= "Explanations";
  document.body.style.margin = "0";
  const { model, warmUp } = makeModel(embeddedData());

  const panel = new Panel();
  panel.model = model;
  followTheme((dark) => {
    panel.dark = dark;
    panel.classList.toggle("dark", dark);
    document.documentElement.style.background = dark ? "#1e1f22" : "#ffffff";
  });
  document.body.append(panel);

  keepAddress(model);
  keepFresh(model);
  await whenShown();
  takeFocus();
  warmUp();
  await model.refresh();
}

function makeModel(data: EmbeddedData | null): { model: PanelModel; warmUp: () => void } {
  if (data) {
    const api = new EmbeddedApi(data);
    const view = fromParameters({ ...data.view, ...readParameters() });
    return { model: new PanelModel(api, new ExplanationSource(api), view), warmUp: () => undefined };
  }
  const worker = new URL(/* @vite-ignore */ "./static/worker.js", import.meta.url);
  const loader = new WorkerLoader(document.baseURI, () => new Worker(worker, { type: "module" }));
  const api = new HttpApi(document.baseURI);
  const model = new PanelModel(api, new ExplanationSource(loader), fromParameters(readParameters()));
  return { model, warmUp: () => loader.warmUp() };
}

/** The address follows the view, a moment later; a changed address changes the view. */
function keepAddress(model: PanelModel): void {
  let timer = 0;
  const write = () => writeParameters(PARAMETER_NAMES, toParameters(model.view));
  model.subscribe(() => {
    window.clearTimeout(timer);
    if (model.status.kind === "ready") timer = window.setTimeout(write, WRITE_DELAY_MS);
  });
  watchAddress(() => {
    const view = fromParameters(readParameters());
    if (view.run && JSON.stringify(view) !== JSON.stringify(model.view)) void model.change(view);
  });
}

/** New data is read when TensorBoard has reloaded; while the tab is hidden, once it is shown. */
function keepFresh(model: PanelModel): void {
  let stale = false;
  const refresh = () => {
    stale = !isShown();
    if (!stale) void model.refresh();
  };
  listenToHost({ "experimental.DataReloaded": refresh, "experimental.RunsChanged": refresh });
  const wake = () => {
    if (stale && isShown()) refresh();
  };
  document.addEventListener("visibilitychange", wake);
  window.addEventListener("resize", wake);
}

function whenShown(): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (!isShown()) return;
      window.removeEventListener("resize", check);
      document.removeEventListener("visibilitychange", check);
      resolve();
    };
    window.addEventListener("resize", check);
    document.addEventListener("visibilitychange", check);
    check();
  });
}

// A standalone page has nobody to call render().
if (embeddedData()) void render();
