// debugpy alone, in the place of the Python extension, which no registry here has.
const vscode = require("vscode");

exports.activate = (context) => {
  const adapter = {
    createDebugAdapterDescriptor: ({ configuration }) =>
      new vscode.DebugAdapterExecutable(configuration.python, ["-m", "debugpy.adapter"]),
  };
  context.subscriptions.push(vscode.debug.registerDebugAdapterDescriptorFactory("debugpy", adapter));
};
