/**
 * `kf completion`: the scripts by which shells complete kf's command lines.
 * They ask `kf __complete -- WORDS…`, whose last word is the one being
 * typed; what fits is decided there (`complete.ts`) and never in a script.
 *
 * @module
 */
import type { Call } from "../command.ts";
import { UsageError } from "../failure.ts";
import { printOut } from "../terminal.ts";

/** Works from bash 3.2 on, which has neither `mapfile` nor `compopt`. */
const BASH = `# Completion of kf for bash: source <(kf completion bash)
_kf() {
  local rest=\${COMP_LINE:0:COMP_POINT} words=() word i head line what=
  # bash cuts words at = and : as well. What no blank parts is one word.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    head=\${rest%%[![:space:]]*}
    rest=\${rest#"$head"}
    [[ $rest == "$word"* ]] || word=$rest
    rest=\${rest#"$word"}
    if [[ $i -gt 0 && -z $head ]]; then
      words[\${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
  done
  local typed=\${words[\${#words[@]} - 1]}
  # Of these words bash replaces what lies behind the last cut only.
  local cut=\${typed%"\${typed##*[=:]}"}
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ -z $what ]]; then
      what=$line
    else
      line=\${line%%$'\\t'*}
      COMPREPLY+=("$(printf '%q' "\${line#"$cut"}")")
    fi
  done < <("\${words[0]/#\\~/$HOME}" __complete -- "\${words[@]:1}" 2>/dev/null)
  if [[ $what == files ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do
      COMPREPLY+=("$line")
    done < <(compgen -f -- "\${typed#"$cut"}")
  fi
}
complete -F _kf kf
`;

const ZSH = `#compdef kf
# Completion of kf for zsh: source <(kf completion zsh)
_kf() {
  local line
  local -a answer names shown
  answer=("\${(@f)$("\${(Q)words[1]}" __complete -- \\
    "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
  if [[ $answer[1] == files ]]; then
    compset -P '--*='
    _files
    return
  fi
  for line in "\${(@)answer[2,-1]}"; do
    names+=("\${line%%$'\\t'*}")
    shown+=("\${line/$'\\t'/  -- }")
  done
  (( \${#names} )) && compadd -l -d shown -a names
}
if [[ \${funcstack[1]} == _kf ]]; then
  _kf "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
  compdef _kf kf
fi
`;

const FISH = `# Completion of kf for fish: kf completion fish | source
function __kf_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l answer ($words[1] __complete -- $words[2..-1] "$typed" 2>/dev/null)
    if test "$answer[1]" = files
        set -l head (string match -r -- '^--[^=]*=' "$typed")
        for path in (__fish_complete_path (string replace -- "$head" '' "$typed"))
            printf '%s\\n' "$head$path"
        end
        return
    end
    test (count $answer) -gt 1; and printf '%s\\n' $answer[2..-1]
end
complete -c kf -e
complete -c kf -f -a '(__kf_complete)'
`;

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: BASH,
  zsh: ZSH,
  fish: FISH,
};

/** Runs `kf completion`. */
export function run({ args }: Call): Promise<void> {
  const shell = args[0] ?? "";
  const script = SCRIPTS[shell];
  if (script === undefined) {
    throw new UsageError(
      `Cannot complete in "${shell}": one of ${
        Object.keys(SCRIPTS).join(", ")
      }`,
    );
  }
  printOut(script);
  return Promise.resolve();
}
