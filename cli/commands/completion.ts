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
_kf_plain() {
  # What is meant by a word as typed; nothing in it is run. Sets plain, the
  # quote that is still open, and what stands before it.
  local in=$1 char
  plain= quote= lead=
  while [[ -n $in ]]; do
    char=\${in:0:1} in=\${in:1}
    if [[ -n $quote && $char == "$quote" ]]; then
      quote=
    elif [[ $quote == \\' ]]; then
      plain+=$char
    elif [[ $char == \\\\ ]]; then
      [[ -n $quote && \${in:0:1} != [\\"\\\\\\$\\\`] ]] && plain+=$char
      plain+=\${in:0:1} in=\${in:1}
    elif [[ -z $quote && $char == [\\"\\'] ]]; then
      quote=$char lead=$plain
    else
      plain+=$char
    fi
  done
}
_kf() {
  local rest=\${COMP_LINE:0:COMP_POINT} words=() word i head line what=
  local plain quote lead
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
  for ((i = 1; i < \${#words[@]}; i++)); do
    _kf_plain "\${words[i]}"
    words[i]=$plain
  done
  local typed=\${words[\${#words[@]} - 1]}
  # Of these words bash replaces what lies behind the last cut only, or
  # behind the quote that is still open, and then quotes them itself.
  local cut=\${typed%"\${typed##*[=:]}"}
  [[ -z $quote ]] || cut=$lead
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ -z $what ]]; then
      what=$line
    else
      line=\${line%%$'\\t'*}
      line=\${line#"$cut"}
      [[ -n $quote ]] || line=$(printf '%q' "$line")
      COMPREPLY+=("$line")
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

/** Runs in Windows PowerShell 5.1 and in PowerShell 7. */
const POWERSHELL = `# Completion of kf for PowerShell, in $PROFILE:
# kf completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName kf -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $before = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object {
            $isText = $_ -is
                [System.Management.Automation.Language.StringConstantExpressionAst]
            if ($isText) { $_.Value } else { $_.Extent.Text }
        })
    $typed = "$wordToComplete".Trim([char]34, [char]39)
    $isQuoted = $typed -ne "$wordToComplete"
    # Before 7.3 an empty argument was dropped unless it had quotes.
    $version = $PSVersionTable.PSVersion
    $isOld = $version.Major -lt 7 -or
        ($version.Major -eq 7 -and $version.Minor -lt 3)
    $last = if ($typed -eq '' -and $isOld) { '""' } else { $typed }
    $program = $commandAst.GetCommandName()
    $answer = @(& $program '__complete' '--' @before $last 2>$null)
    if ($answer[0] -eq 'files') {
        $head = ''
        if ($typed -match '^--[^=]*=') { $head = $Matches[0] }
        $path = $typed.Substring($head.Length)
        [System.Management.Automation.CompletionCompleters]::CompleteFilename(
            $path
        ) | ForEach-Object {
            [System.Management.Automation.CompletionResult]::new(
                $head + $_.CompletionText, $_.ListItemText, $_.ResultType,
                $_.ToolTip)
        }
        return
    }
    $lines = @($answer | Select-Object -Skip 1)
    # No answer at all would make PowerShell offer files.
    if ($lines.Count -eq 0) { return '' }
    foreach ($line in $lines) {
        $word, $brief = $line -split '\\t', 2
        if (-not $brief) { $brief = $word }
        $text = $word
        if ($isQuoted -or $word -notmatch '^[\\w./:=-]+$') {
            $text = "'" + $word.Replace("'", "''") + "'"
        }
        [System.Management.Automation.CompletionResult]::new(
            $text, $word, 'ParameterValue', $brief)
    }
}
`;

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: BASH,
  zsh: ZSH,
  fish: FISH,
  powershell: POWERSHELL,
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
