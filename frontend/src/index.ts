// The entry that TensorBoard's frame calls: render().
import "./words/answer_strip";
import "./words/candidates";
import "./view/header";
import "./pixels/legend";
import "./matrix/matrix_tip";
import "./view/notice";
import "./words/sentence_line";
import "./view/spoken";
import "./matrix/relevance_matrix";
import "./samples/sample_picker";
import "./pixels/scale_scrubber";
import "./pixels/stage";
import "./view/step_slider";
import { HttpApi } from "./data/api";
import { embeddedData } from "./data/embedded";
import { ExplanationSource } from "./data/explanation_source";
import { followTheme, listenToHost, readParameters, takeFocus, watchAddress, whenShown, writeParameters } from "./view/host";
import { PanelModel } from "./view/model";
import { WorkerLoader } from "./data/step_loader";
import { PARAMETER_NAMES, fromParameters, toParameters } from "./view/state";
import { Panel } from "./view/panel";

const WRITE_DELAY_MS = 250;

export async function render(): Promise<void> {
  document.documentElement.lang = "en";
  document.title ||= "Explanations";
  document.body.style.margin = "0";
  const { model, warmUp } = await makeModel();

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

async function makeModel(): Promise<{ model: PanelModel; warmUp: () => void }> {
  const data = embeddedData();
  if (data) {
    const { EmbeddedApi } = await import("./data/embedded_api");
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
  let due = false;
  const refresh = async () => {
    if (due) return;
    due = true;
    await whenShown();
    due = false;
    void model.refresh();
  };
  listenToHost({ "experimental.DataReloaded": refresh, "experimental.RunsChanged": refresh });
}

// A standalone page has nobody to call render().
if (embeddedData()) void render();
