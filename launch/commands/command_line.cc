// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/command_line.h"

#include <CLI/CLI.hpp>
#include <functional>

#include "kernels/base/error.h"
#include "launch/commands/bench.h"
#include "launch/commands/ckpt.h"
#include "launch/commands/ckpt_inspect.h"
#include "launch/commands/ckpt_interop.h"
#include "launch/commands/data.h"
#include "launch/commands/data_inspect.h"
#include "launch/commands/eval.h"
#include "launch/commands/generate.h"
#include "launch/commands/plan.h"
#include "launch/commands/train.h"
#include "runtime/mesh/axis_sizes.h"

namespace cadmus {
namespace {

// What the chosen verb does, set by the verb's callback while the line is parsed.
using Chosen = std::function<int()>;

void AddTrain(CLI::App& app, Chosen& chosen) {
  auto flags = std::make_shared<TrainFlags>();  // CLI11's callbacks share it
  CLI::App* verb = app.add_subcommand(
      "train", "Train a model; goes on from the run's last checkpoint if there is one");
  verb->add_option("FILE", flags->config_file, "Config (textproto)")->required();
  verb->add_option("--set", flags->overrides, "Override a field: optimizer.lr=3e-4 (repeatable)")
      ->allow_extra_args(false);
  verb->add_flag("--check", flags->check_only, "Validate config and data, train nothing");
  verb->add_option("--ranks-as-threads", flags->ranks_as_threads,
                   "Run so many ranks as threads of this one process, without mpirun")
      ->check(CLI::Range(1, 1024));
  verb->callback([flags, &chosen] { chosen = [flags] { return RunTrain(*flags); }; });
}

void AddBench(CLI::App& app, Chosen& chosen) {
  auto flags = std::make_shared<BenchFlags>();
  auto level = std::make_shared<int>(0);
  CLI::App* verb = app.add_subcommand(
      "bench", "Check machine, build and ranks; alone, or started by mpirun or srun as a run is");
  verb->add_option("--level", *level, "0: what is there, and whether it fits together")
      ->required()
      ->check(CLI::IsMember({0}));
  verb->add_flag("--json", flags->json, "One JSON object on stdout");
  verb->callback([flags, level, &chosen] { chosen = [flags] { return RunBench(*flags); }; });
}

void AddGenerate(CLI::App& app, Chosen& chosen) {
  auto flags = std::make_shared<GenerateFlags>();
  CLI::App* verb = app.add_subcommand("generate", "Continue a text with a trained model");
  verb->add_option("RUN", flags->run, "Folder of a run, or of one of its checkpoints")->required();
  verb->add_option("--prompt", flags->prompt,
                   "Text to continue, behind the token that the tokenizer puts first")
      ->required();
  verb->add_option("--max-tokens", flags->max_tokens, "New tokens at most")->capture_default_str();
  verb->add_option("--temperature", flags->sampling.temperature, "0: greedy")
      ->capture_default_str();
  verb->add_option("--top-p", flags->sampling.top_p, "Nucleus")->capture_default_str();
  verb->add_option("--seed", flags->sampling.seed, "Of the sampler")->capture_default_str();
  verb->add_option("--set", flags->overrides,
                   "On what to run: device.kind=CPU, device.memory_gib=…; default: as in training")
      ->allow_extra_args(false);
  verb->callback([flags, &chosen] { chosen = [flags] { return RunGenerate(*flags); }; });
}

void AddPlan(CLI::App& app, Chosen& chosen) {
  auto flags = std::make_shared<PlanFlags>();
  auto verify = std::make_shared<VerifyScheduleFlags>();
  CLI::App* verb = app.add_subcommand(
      "plan", "Say what a run needs on each rank: memory, communication, FLOPs; trains nothing");
  const std::vector<CLI::Option*> of_a_plan = {
      verb->add_option("FILE", flags->config_file, "Config (textproto)"),
      verb->add_option("--set", flags->overrides, "Override a field: parallel.tp=8 (repeatable)")
          ->allow_extra_args(false),
      verb->add_option("--world-size", flags->world_size,
                       "Number of ranks; default: what the axes of the config multiply to")
          ->check(CLI::Range(1, kMaxWorldSize)),
      verb->add_flag("--json", flags->json, "One JSON object on stdout")};
  CLI::Option* schedule = verb->add_option(
      "--verify-schedule", verify->schedule_file,
      "In place of a plan, check a schedule file: complete, free of deadlock, bubble, activations");
  for (CLI::Option* option : of_a_plan) schedule->excludes(option);
  verb->add_option("--svg", verify->svg, "Draw the schedule into this file")->needs(schedule);
  verb->callback([flags, verify, schedule, &chosen] {
    if (schedule->count() > 0) {
      chosen = [verify] { return VerifySchedule(*verify); };
      return;
    }
    if (flags->config_file.empty()) throw CLI::RequiredError("FILE, or --verify-schedule,");
    chosen = [flags] { return PrintPlan(*flags); };
  });
}

void AddEval(CLI::App& app, Chosen& chosen) {
  CLI::App* verb = app.add_subcommand(
      "eval", "Loss, perplexity and bits per byte of a trained model, with standard errors");
  auto flags = std::make_shared<EvalFlags>();
  verb->add_option("RUN_OR_CHECKPOINT", flags->run, "Folder of a run, or of one of its checkpoints")
      ->required();
  verb->add_option("--data", flags->data,
                   "Data set to evaluate on; default: what the run held out for validation");
  verb->add_option("--batches", flags->num_batches,
                   "At most so many batches of the run's train.global_batch_size windows")
      ->check(CLI::PositiveNumber);
  verb->add_option("--set", flags->overrides,
                   "How to lay the model out, and on what: parallel.…, device.…, "
                   "train.micro_batch_size; default: data parallel over all ranks");
  verb->add_option("--ranks-as-threads", flags->ranks_as_threads,
                   "Run this many ranks as threads of this process")
      ->check(CLI::Range(1, 1024));
  verb->add_flag("--json", flags->json, "One JSON object on stdout");
  verb->callback([flags, &chosen] { chosen = [flags] { return RunEval(*flags); }; });
}

void AddTexts(CLI::App& verb, std::vector<std::string>& texts, std::string& text_field) {
  verb.add_option("TEXT", texts,
                  "Files and folders of text, plain or gzip: a document each, or one in each line "
                  "where the name ends in .jsonl or .ndjson")
      ->required();
  verb.add_option("--text-field", text_field, "Field of a JSON line that holds the text")
      ->capture_default_str();
}

void AddTokenizer(CLI::App& data, Chosen& chosen) {
  CLI::App* tokenizer = data.add_subcommand("tokenizer", "Train and try tokenizers");
  tokenizer->require_subcommand(1);

  auto train = std::make_shared<TokenizerTrainFlags>();
  CLI::App* verb =
      tokenizer->add_subcommand("train", "Learn a byte-level BPE vocabulary from text");
  AddTexts(*verb, train->texts, train->text_field);
  verb->add_option("--vocab-size", train->vocab_size, "Tokens, the 256 bytes included")->required();
  verb->add_option("--out", train->out, "tokenizer.json to write")->required();
  verb->callback([train, &chosen] { chosen = [train] { return RunTokenizerTrain(*train); }; });

  auto code = std::make_shared<TokenizerCodeFlags>();
  verb = tokenizer->add_subcommand("encode", "Text on stdin to token ids on stdout");
  verb->add_option("TOKENIZER", code->tokenizer, "tokenizer.json")->required();
  verb->callback([code, &chosen] { chosen = [code] { return RunTokenizerEncode(*code); }; });
  verb = tokenizer->add_subcommand("decode", "Token ids on stdin to text on stdout");
  verb->add_option("TOKENIZER", code->tokenizer, "tokenizer.json")->required();
  verb->callback([code, &chosen] { chosen = [code] { return RunTokenizerDecode(*code); }; });
}

void AddDataInspection(CLI::App& data, Chosen& chosen) {
  constexpr char kPath[] = "Prefix of a data set, or token files: a .bin, a pattern or a folder";
  constexpr char kJson[] = "One JSON object on stdout";
  auto stats = std::make_shared<DataStatsFlags>();
  CLI::App* verb = data.add_subcommand("stats", "Count documents and tokens, and their lengths");
  verb->add_option("PATH", stats->paths, kPath)->required();
  verb->add_flag("--json", stats->json, kJson);
  verb->callback([stats, &chosen] { chosen = [stats] { return RunDataStats(*stats); }; });

  auto show = std::make_shared<DataShowFlags>();
  verb = data.add_subcommand("show", "Show a document, or a window as training sees it");
  verb->add_option("PATH", show->path, kPath)->required();
  verb->add_option("--tokenizer", show->tokenizer, "tokenizer.json; without, token ids are shown");
  CLI::Option* length = verb->add_option("--sequence-length", show->sequence_length,
                                         "Tokens of a window: data.sequence_length of the run");
  CLI::Option* window = verb->add_option("--window", show->window,
                                         "Number of the window, in the order of the tokens");
  CLI::Option* document = verb->add_option("--document", show->document, "Number of the document");
  length->check(CLI::PositiveNumber);
  window->check(CLI::NonNegativeNumber)->needs(length)->excludes(document);
  document->check(CLI::NonNegativeNumber);
  verb->add_flag("--json", show->json, kJson);
  verb->callback([show, window, document, &chosen] {
    if (window->count() + document->count() == 0) {
      throw CLI::RequiredError("--document, or --window with --sequence-length,");
    }
    chosen = [show] { return RunDataShow(*show); };
  });

  auto verify = std::make_shared<DataVerifyFlags>();
  verb = data.add_subcommand("verify", "Read everything and name every fault");
  verb->add_option("PATH", verify->path, kPath)->required();
  verb->add_option("--tokenizer", verify->tokenizer, "tokenizer.json that should have encoded it");
  verb->add_flag("--json", verify->json, kJson);
  verb->callback([verify, &chosen] { chosen = [verify] { return RunDataVerify(*verify); }; });
}

void AddData(CLI::App& app, Chosen& chosen) {
  CLI::App* data = app.add_subcommand("data", "Build and inspect data sets and tokenizers");
  data->require_subcommand(1);
  auto flags = std::make_shared<DataBuildFlags>();
  CLI::App* verb = data->add_subcommand("build", "Encode text into a token data set");
  AddTexts(*verb, flags->texts, flags->text_field);
  verb->add_option("--threads", flags->num_threads, "That encode; default: one for each core")
      ->check(CLI::Range(1, 1024));
  verb->add_option("--tokenizer", flags->tokenizer, "tokenizer.json")->required();
  verb->add_option("--out", flags->out,
                   "Prefix of the files to write: OUT.bin, OUT.idx, OUT.meta.json")
      ->required();
  verb->callback([flags, &chosen] { chosen = [flags] { return RunDataBuild(*flags); }; });
  AddDataInspection(*data, chosen);
  AddTokenizer(*data, chosen);
}

void AddCheckpointInterop(CLI::App& ckpt, Chosen& chosen) {
  auto import = std::make_shared<CheckpointImportFlags>();
  CLI::App* verb = ckpt.add_subcommand(
      "import", "Make a run of a folder of Hugging Face, to generate from and to start from");
  verb->add_option("FOLDER", import->folder, "With config.json, safetensors files and tokenizer")
      ->required();
  verb->add_option("--out", import->out, "Folder of the run to make")->required();
  verb->add_option("--ignore", import->ignored_fields,
                   "A field of config.json to take as absent (repeatable)")
      ->allow_extra_args(false);
  verb->callback([import, &chosen] { chosen = [import] { return RunCheckpointImport(*import); }; });

  auto exported = std::make_shared<CheckpointExportFlags>();
  verb = ckpt.add_subcommand("export", "Write a run's model as a folder of Hugging Face");
  verb->add_option("FOLDER", exported->folder,
                   "Folder of a run (its newest checkpoint) or of a checkpoint")
      ->required();
  verb->add_option("--out", exported->out, "Folder to make")->required();
  verb->add_option("--dtype", exported->dtype, "f32, or bf16, rounded to nearest")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  verb->add_option("--max-shard-size", exported->max_shard_size,
                   "Of the tensors in a file: KB, MB, GB, TB or KiB, MiB, GiB, TiB")
      ->capture_default_str();
  verb->callback(
      [exported, &chosen] { chosen = [exported] { return RunCheckpointExport(*exported); }; });
}

void AddCheckpoint(CLI::App& app, Chosen& chosen) {
  CLI::App* ckpt = app.add_subcommand("ckpt", "Look at checkpoints; import and export models");
  ckpt->require_subcommand(1);
  auto flags = std::make_shared<CheckpointFlags>();
  CLI::App* verb = ckpt->add_subcommand("ls", "List the checkpoints of a run");
  verb->add_option("RUN", flags->folder, "Folder of a run")->required();
  verb->callback([flags, &chosen] { chosen = [flags] { return RunCheckpointList(*flags); }; });
  verb = ckpt->add_subcommand("verify", "Read everything back and compare checksums");
  verb->add_option("FOLDER", flags->folder,
                   "Folder of a run (its newest checkpoint) or of a checkpoint")
      ->required();
  verb->callback([flags, &chosen] { chosen = [flags] { return RunCheckpointVerify(*flags); }; });

  auto inspect = std::make_shared<CheckpointInspectFlags>();
  verb = ckpt->add_subcommand("inspect", "Show what a checkpoint holds");
  verb->add_option("FOLDER", inspect->folder,
                   "Folder of a run (its newest checkpoint) or of a checkpoint")
      ->required();
  verb->add_flag("--checksums", inspect->checksums, "Read every byte; without, sizes only");
  verb->add_flag("--json", inspect->json, "One JSON object on stdout");
  verb->callback(
      [inspect, &chosen] { chosen = [inspect] { return RunCheckpointInspect(*inspect); }; });

  auto diff = std::make_shared<CheckpointDiffFlags>();
  verb = ckpt->add_subcommand("diff", "Compare two checkpoints; 0 if they are bit-equal, else 4");
  verb->add_option("A", diff->first, "Folder of a run or of a checkpoint")->required();
  verb->add_option("B", diff->second, "Another")->required();
  verb->add_flag("--json", diff->json, "One JSON object on stdout");
  verb->callback([diff, &chosen] { chosen = [diff] { return RunCheckpointDiff(*diff); }; });

  AddCheckpointInterop(*ckpt, chosen);
}

}  // namespace

int RunCommandLine(int argc, char** argv) {
  CLI::App app("Cadmus trains large models, from a laptop to a GPU cluster.", "cadmus");
  app.set_version_flag("--version", "cadmus " CADMUS_VERSION);
  app.require_subcommand(1);
  Chosen chosen;
  AddTrain(app, chosen);
  AddPlan(app, chosen);
  AddBench(app, chosen);
  AddGenerate(app, chosen);
  AddEval(app, chosen);
  AddData(app, chosen);
  AddCheckpoint(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : static_cast<int>(Kind::kConfig);
  }
  return chosen();
}

}  // namespace cadmus
