/** `natsctl completion`: a script for the shell, which asks the hidden command `__complete` at every Tab. */
import { Argument } from 'commander'
import { exitCodes } from '../output/exitCodes.js'
import { restrictForms } from '../output/forms.js'
import { print } from '../output/output.js'
import type { Program } from '../output/program.js'

const shells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof shells)[number]

export function addCompletion(program: Program): void {
  const command = program.command
    .command('completion')
    .description('a script that completes commands, flags and live names')
    .addArgument(new Argument('<shell>', 'whose script').choices(shells))
    .addHelpText(
      'after',
      `
bash: source <(natsctl completion bash)       in ~/.bashrc
zsh:  source <(natsctl completion zsh)        in ~/.zshrc, after compinit
fish: natsctl completion fish | source        in ~/.config/fish/config.fish`,
    )
    .action(
      program.action(async (shell: Shell) => {
        print(scripts[shell])
        return exitCodes.done
      }),
    )
  restrictForms(command, 'table')
}

/** The last line of each answer begins with a colon: `:files` for what the shell completes best itself. */
const scripts: Readonly<Record<Shell, string>> = {
  bash: `# bash completion of natsctl
_natsctl() {
  local line directive= current="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in
      :*) directive="$line" ;;
      *) COMPREPLY+=("$(printf '%q' "\${line%%$'\\t'*}")") ;;
    esac
  done < <("$1" __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ "$directive" == :files ]]; then
    compopt -o default -o filenames
    [[ "$current" == = ]] && current=
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current")
  fi
}
complete -F _natsctl natsctl`,
  zsh: `#compdef natsctl
_natsctl() {
  local -a lines candidates
  local line directive
  lines=("\${(@f)$("$words[1]" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in "\${lines[@]}"; do
    case "$line" in
      :*) directive="$line" ;;
      ?*) candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
    esac
  done
  if [[ "$directive" == :files ]]; then _files; return; fi
  (( $#candidates )) && _describe -V natsctl candidates
}
if [[ "$funcstack[1]" == _natsctl ]]; then _natsctl "$@"; else compdef _natsctl natsctl; fi`,
  fish: `# fish completion of natsctl
function __natsctl_complete
  set -l words (commandline -opc)
  set -l lines ($words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null)
  if contains -- :files $lines
    __fish_complete_path (commandline -ct)
  else
    string match -v -r '^:' -- $lines
  end
end
complete -c natsctl -f -a '(__natsctl_complete)'`,
}
